"""GitHub Apps: tokens of an installation, for one repository and one purpose, made with the App's private key.

The App names itself with a JSON Web Token of some minutes, signed with its key, and gets a token that lasts an hour.

Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App", "REST API endpoints for GitHub Apps" and
"Managing private keys for GitHub Apps", checked 2026-11.
"""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from marketplaces.providers.api import Access, ProviderRefused, TokenMayNot, TokenRefused, ask, read_object
from marketplaces.providers.github import api_of, headers_of, name_of, repository_of
from skillport.errors import SkillportError
from skillport.outbound import Answer, HostUnreachable, Outbound

LONGEST_KEY: Final = 5_000  # of 4096 bits it has some 3,300 characters
# GitHub takes ten minutes at most; one is used at once. Begun a minute ago, because clocks differ.
_NAMED_SECONDS: Final = 300
_CLOCKS_DIFFER_SECONDS: Final = 60
_KEY_BITS: Final = range(2048, 4097)

READ: Final[Mapping[str, str]] = {"contents": "read"}
REGISTER_WEBHOOKS: Final[Mapping[str, str]] = {"repository_hooks": "write"}
_RANKS: Final = {"read": 1, "write": 2, "admin": 3}


class AppRefused(SkillportError):
    """What only a person can put right, at GitHub or here."""

    status = 422


class AppIdInvalid(AppRefused):
    code = "github_app_id_invalid"
    message = "This is no App id or client id. Copy it from the App's page at GitHub, under General, About."


class AppKeyInvalid(AppRefused):
    code = "github_app_key_invalid"
    message = (
        "This is not the private key of a GitHub App. Paste the whole .pem file that GitHub gave you when you generated the "
        "key, from -----BEGIN RSA PRIVATE KEY----- to -----END RSA PRIVATE KEY-----."
    )


class AppUnknown(AppRefused):
    code = "github_app_unknown"
    message = (
        "GitHub does not accept this App id with this private key. Compare both with the App's page at GitHub: the id under "
        "About, the key's fingerprint under Private keys. Where the key is gone, generate another and enter it here."
    )


class AppNotInstalled(AppRefused):
    code = "github_app_not_installed"
    message = (
        "The GitHub App is not installed for this repository. Install it from the App's page at GitHub, under Install App, for "
        "the repository's owner: Only select repositories, and this one among them. Check the address, too."
    )


class AppSuspended(AppRefused):
    code = "github_app_suspended"
    message = (
        "The installation of the GitHub App is suspended. Its owner ends that in the settings of the organization or account "
        "at GitHub, under GitHub Apps, Configure, Unsuspend."
    )


class AppMayNotRead(AppRefused):
    code = "github_app_may_not_read"
    message = (
        "The GitHub App may not read repositories. Give it the repository permission Contents: Read-only on its page at GitHub, "
        "under Permissions & events; the owner of the installation has to accept that."
    )


class AppMayNotRegister(AppRefused):
    code = "github_app_may_not_register"
    message = (
        "The GitHub App may not register webhooks. Give it the repository permission Webhooks: Read and write on its page at "
        "GitHub, under Permissions & events, and accept that for the installation; or add the webhook by hand."
    )


class RepositoryNotSelected(AppRefused):
    code = "github_app_not_for_repository"
    message = (
        "The GitHub App is installed, but this repository is not among those it was given, or it has another address by now. Add it "
        "in the settings of the organization or account at GitHub, under GitHub Apps, Configure, Repository access."
    )


_LACKING: Final[Mapping[str, type[AppRefused]]] = {
    "contents": AppMayNotRead,
    "repository_hooks": AppMayNotRegister,
}


@dataclass(frozen=True, slots=True)
class Installation:
    """An App's installation: what it may do, by the names of GitHub's API."""

    id: int
    permissions: Mapping[str, str]
    suspended: bool

    def require(self, wanted: Mapping[str, str]) -> None:
        """Raise `AppSuspended`, or what says which permission it lacks."""
        if self.suspended:
            raise AppSuspended
        for name, level in wanted.items():
            if _RANKS.get(self.permissions.get(name, ""), 0) < _RANKS[level]:
                raise _LACKING[name]


@dataclass(frozen=True, slots=True)
class Minted:
    """A token for one repository, and where it came from."""

    secret: str = field(repr=False)
    expires_at: datetime
    installation_id: int
    repository_id: int | None


@dataclass(frozen=True, slots=True)
class GitHubApp:
    """An App that acts for the repository at `url`. `id` is its App id or its client id.

    Every method raises `AppRefused`, `ProviderPaused`, `NotARepository`, `HostUnreachable` or `AddressInvalid`.
    """

    id: str
    private_key: str = field(repr=False)
    url: str
    outbound: Outbound = field(repr=False)

    def introduce(self) -> None:
        """Let GitHub say that id and key belong together."""
        try:
            self._ask("GET", "/app")
        except TokenMayNot:
            raise AppUnknown from None

    def installation(self, known: int | None = None) -> Installation:
        """Give the installation that is for the repository; `known` is tried first."""
        if known is not None:
            try:
                return self._get(known)
            except AppNotInstalled:
                pass  # installed anew since then, under another number
        return self._find()

    def mint(
        self, wanted: Mapping[str, str], installation_id: int | None = None, repository_id: int | None = None
    ) -> Minted:
        """Get a token that may do `wanted` in this repository and nothing else.

        `installation_id` and `repository_id` are those of an earlier one: a repository keeps its id when it is renamed.
        """
        if installation_id is not None:
            try:
                return self._mint(installation_id, repository_id, wanted)
            except AppNotInstalled:
                pass  # installed anew since then, under another number
        return self._mint(self._find().id, None, wanted)

    def _mint(self, installation_id: int, repository_id: int | None, wanted: Mapping[str, str]) -> Minted:
        only = {"repositories": [name_of(self._access(""))[1]]}
        which: dict[str, Any] = only if repository_id is None else {"repository_ids": [repository_id]}
        path = f"/app/installations/{installation_id}/access_tokens"
        try:
            answer = self._ask("POST", path, {**which, "permissions": dict(wanted)})
        except (TokenMayNot, ProviderRefused):
            self._get(installation_id).require(wanted)
            raise RepositoryNotSelected from None
        return _minted(read_object(answer), installation_id)

    def _find(self) -> Installation:
        try:
            return _installation(
                read_object(self._ask("GET", "", at=repository_of(self._access("")) + "/installation"))
            )
        except TokenMayNot:
            self.introduce()  # GitHub answers an App that it does not know in the same way
            raise AppNotInstalled from None

    def _get(self, installation_id: int) -> Installation:
        try:
            return _installation(read_object(self._ask("GET", f"/app/installations/{installation_id}")))
        except TokenMayNot:
            raise AppNotInstalled from None

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, at: str = "") -> Answer:
        access = self._access(self._named())
        try:
            return ask(access, method, at or f"{api_of(access.origin)}{path}", headers_of(access), body)
        except TokenRefused:
            raise AppUnknown from None

    def _access(self, credential: str) -> Access:
        return Access(self.url, credential, self.outbound)

    def _named(self) -> str:
        """Sign who we are. SECURITY: it opens all of the App's installations, so it is good for minutes and kept nowhere."""
        if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", self.id) is None:
            raise AppIdInvalid
        now = int(time.time())
        said = {"iat": now - _CLOCKS_DIFFER_SECONDS, "exp": now + _NAMED_SECONDS, "iss": self.id}
        return jwt.encode(said, _key(self.private_key), algorithm="RS256")


def fingerprint(private_key: str) -> str:
    """Give a private key's fingerprint as GitHub shows it beside the key. Raises `AppKeyInvalid`."""
    public = (
        _key(private_key, is_new=True)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()


def _key(private_key: str, *, is_new: bool = False) -> RSAPrivateKey:
    """Read a private key, and prove it where it is new here.

    SECURITY: the proof that its primes are prime stops the whole process, for a minute where they are long enough. So the
    size is looked at first.
    """
    try:
        if len(private_key) > LONGEST_KEY:
            raise AppKeyInvalid
        pem = private_key.strip().encode()
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, RSAPrivateKey) or key.key_size not in _KEY_BITS:
            raise AppKeyInvalid
        if is_new:
            load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise AppKeyInvalid from None
    return key


def _installation(told: dict[str, Any]) -> Installation:
    permissions = told.get("permissions")
    return Installation(
        id=_number(told.get("id")),
        permissions={name: level for name, level in permissions.items() if isinstance(level, str)}
        if isinstance(permissions, dict)
        else {},
        suspended=bool(told.get("suspended_at")),
    )


def _minted(told: dict[str, Any], installation_id: int) -> Minted:
    token, repositories = told.get("token"), told.get("repositories")
    # SECURITY: it becomes a part of headers.
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4000}", token, re.ASCII):
        raise HostUnreachable
    one = repositories[0] if isinstance(repositories, list) and len(repositories) == 1 else None
    repository_id = _number(one.get("id")) if isinstance(one, dict) else None
    return Minted(token, _moment(told.get("expires_at")), installation_id, repository_id)


def _number(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 < told < 2**63:
        raise HostUnreachable
    return told


def _moment(told: Any) -> datetime:
    try:
        read = datetime.fromisoformat(told)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise HostUnreachable from None
