"""What the environment says, typed, checked once at start, and named when it is wrong.

Every value may also come from a file: `NAME_FILE=/run/secrets/name` (as Docker and Kubernetes mount secrets).
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from skillport.key_ring import BadKeyRing, KeyRing
from skillport.outbound import AddressInvalid, Origin
from skillport.txt_records import NameServer


class BadEnvironment(SystemExit):
    """The environment cannot be used. Says which variable and why, never its value."""


def _site_url(url: str) -> str:
    try:
        origin = Origin.parse(url)
    except AddressInvalid as error:
        raise ValueError(error.message) from None
    if url.rstrip("/").count("/") != 2 or "?" in url or "#" in url:
        raise ValueError("give only scheme, host and port, as in https://skills.example.org")
    if origin.scheme == "http" and origin.host not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError("must begin with https:// (plain http is for loopback)")
    return origin.plain


def _issuer(url: str) -> str:
    try:
        Origin.parse(url)
    except AddressInvalid as error:
        raise ValueError(error.message) from None
    return url.rstrip("/")


def _email_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"smtp", "smtp+tls", "smtps"} or not parts.hostname:
        raise ValueError("give smtp://, smtp+tls:// (STARTTLS) or smtps://, with host and port")
    return url


def _database_url(url: SecretStr) -> SecretStr:
    try:
        parts = conninfo_to_dict(url.get_secret_value())
    except ProgrammingError:
        raise ValueError(
            "not a PostgreSQL address, as in postgresql://user:password@host:5432/skillport"
        ) from None
    if not parts.get("user") or not parts.get("dbname"):
        raise ValueError(
            "name the user and the database, as in postgresql://user:password@host:5432/skillport"
        )
    return url


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < 50:
        raise ValueError("needs at least 50 characters; `openssl rand -base64 48` makes one")
    return secret


def _origins(text: str) -> frozenset[Origin]:
    try:
        return frozenset(Origin.parse(part) for part in text.replace(",", " ").split())
    except AddressInvalid as error:
        raise ValueError(f"each entry is an origin, as in https://git.example.org: {error.message}") from None


def _name_servers(text: str) -> tuple[NameServer, ...]:
    try:
        return tuple(NameServer.parse(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(
            "each entry is an address, as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53"
        ) from None


def _key_ring(text: str) -> KeyRing:
    try:
        return KeyRing.parse(text)
    except BadKeyRing as error:
        raise ValueError(f"{error} `echo k1:$(openssl rand -base64 32)` makes one") from None


DatabaseURL = Annotated[SecretStr, AfterValidator(_database_url)]


class Environment(BaseSettings):
    """Every variable that Skillport reads. `docs/operators/settings.md` is checked against this class."""

    model_config = SettingsConfigDict(
        extra="ignore", hide_input_in_errors=True, case_sensitive=True, validate_default=False
    )

    site_url: Annotated[str, AfterValidator(_site_url)] = Field(
        alias="SITE_URL", description="The address under which people and clients reach this deployment."
    )
    secret_key: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        alias="SECRET_KEY", description="Signs sessions and forms. At least 50 random characters."
    )
    key_ring: Annotated[KeyRing, NoDecode, BeforeValidator(_key_ring)] = Field(
        alias="SKILLPORT_ENCRYPTION_KEYS",
        description="The key ring for stored secrets: `id:base64` of 32 bytes, newest first, separated by commas. "
        "Sessions are sealed too: taking a key away ends those that it sealed.",
    )
    database_url: DatabaseURL = Field(
        alias="DATABASE_URL", description="PostgreSQL as the application role, which owns nothing."
    )
    database_owner_url: DatabaseURL | None = Field(
        default=None,
        alias="DATABASE_OWNER_URL",
        description="PostgreSQL as the owner role. Only `migrate` and the tests use it; leave it out elsewhere.",
    )
    across_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = Field(
        default="skillport_across",
        alias="DATABASE_ACROSS_ROLE",
        description="The role that sees every organization's rows.",
    )
    database_connections: PositiveInt = Field(
        default=10, alias="DATABASE_CONNECTIONS", description="The most connections one process holds."
    )
    redis_url: SecretStr | None = Field(
        default=None,
        alias="REDIS_URL",
        description="Redis for the task queue and live progress. Without it, everything runs in one process.",
    )
    google_client_id: str = Field(
        default="",
        alias="GOOGLE_CLIENT_ID",
        description="The deployment's OpenID client at Google. Without it, nobody signs in with Google.",
    )
    google_client_secret: SecretStr | None = Field(
        default=None, alias="GOOGLE_CLIENT_SECRET", description="The secret of that client."
    )
    google_issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        default="https://accounts.google.com",
        alias="GOOGLE_ISSUER",
        description="Google's issuer. Another one only to try Skillport against a stand-in.",
    )
    entra_host: Annotated[str, AfterValidator(_issuer)] = Field(
        default="https://login.microsoftonline.com",
        alias="ENTRA_HOST",
        description="Where Microsoft Entra's issuers are. Another one for a national cloud.",
    )
    local_accounts: bool = Field(
        default=True,
        alias="SKILLPORT_LOCAL_ACCOUNTS",
        description="Whether people whom `create_owner` made may sign in with a password and a second factor.",
    )
    founders: Literal["everyone", "operators"] = Field(
        default="everyone",
        alias="SKILLPORT_FOUNDERS",
        description="Who may create organizations: `everyone` who signs in, or `operators` (`create_owner --operator`).",
    )
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0,
        alias="SKILLPORT_TRUSTED_PROXIES",
        description="How many proxies in front of Skillport add to X-Forwarded-For. 0: the header is not believed.",
    )
    email_url: Annotated[SecretStr, AfterValidator(_email_url)] | None = Field(
        default=None,
        alias="EMAIL_URL",
        description="Where mail goes, as in smtp+tls://user:password@mail.example.org:587. Without it, mail is printed.",
    )
    email_from: str = Field(
        default="Skillport <skillport@localhost>",
        alias="EMAIL_FROM",
        description="The sender of Skillport's mail.",
    )
    most_stored_megabytes: PositiveInt = Field(
        default=10_240,
        alias="SKILLPORT_MOST_STORED_MEGABYTES",
        description="How many megabytes of files an organization may store, with what is kept of old snapshots. `set_quota` "
        "gives one organization a limit of its own.",
    )
    most_marketplaces: PositiveInt = Field(
        default=100,
        alias="SKILLPORT_MOST_MARKETPLACES",
        description="How many repositories an organization may bind. `set_quota` gives one organization a limit of its own.",
    )
    data_directory: Path = Field(
        default=Path(".skillport"),
        alias="SKILLPORT_DATA",
        description="Where workers keep their copies of repositories: a cache that may be deleted.",
    )
    worker_name: Annotated[str, Field(max_length=100)] = Field(
        default="",
        alias="SKILLPORT_WORKER_NAME",
        description="A worker's lasting name. Only where at most one process runs under it: when it starts again, it takes "
        "up at once what it held when it was killed.",
    )
    outbound_allow: Annotated[frozenset[Origin], NoDecode, BeforeValidator(_origins)] = Field(
        default=frozenset(),
        alias="SKILLPORT_OUTBOUND_ALLOW",
        description="Origins outside the public internet that may be contacted, separated by spaces.",
    )
    dns_servers: Annotated[tuple[NameServer, ...], NoDecode, BeforeValidator(_name_servers)] = Field(
        default=(),
        alias="SKILLPORT_DNS_SERVERS",
        description="The name servers that are asked about organizations' domains, separated by spaces. Without it, the "
        "machine's own.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", alias="SKILLPORT_LOG_FORMAT", description="`json` for machines, `console` for people."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", alias="SKILLPORT_LOG_LEVEL", description="The least severe event that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 replaced by our own, which knows NAME_FILE
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 no `.env` is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 no folder of secrets either
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then files named by it, and nothing else."""
        return init_settings, _Variables(settings_cls)


class _Variables(PydanticBaseSettingsSource):
    """`NAME` or, when that is not set, the content of the file that `NAME_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = field.alias or field_name
        if text := os.environ.get(name):
            return text, name, False
        if path := os.environ.get(f"{name}_FILE"):
            try:
                return Path(path).read_text().strip(), name, False
            except (OSError, UnicodeDecodeError) as error:
                raise BadEnvironment(
                    f"Skillport cannot start: {name}_FILE: {getattr(error, 'strerror', None) or 'not readable'}"
                ) from None
        return None, name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, name, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[name] = value
        return found


def read_environment() -> Environment:
    """Read and check the whole environment. Raises `BadEnvironment`, which names every variable that is wrong."""
    try:
        return Environment()
    except ValidationError as error:
        lines = ["Skillport cannot start. These environment variables are missing or wrong:"]
        fields = {field.alias: field for field in Environment.model_fields.values()}
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(problem["loc"][0])
            about = fields[name].description if name in fields else ""
            reason = (
                "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            )
            lines.append(f"  {name}: {reason}. {about}")
        raise BadEnvironment("\n".join(lines)) from None
