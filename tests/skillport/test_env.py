"""The environment is checked once at start: every fault is named, says what is wanted, and shows no value."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from skillport.env import BadEnvironment, Environment, read_environment
from skillport.outbound import Origin

CANARY = "canary9f3c"
GOOD = {
    "SITE_URL": "https://skills.example.org",
    "SECRET_KEY": "s" * 50,
    "SKILLPORT_ENCRYPTION_KEYS": "a:" + "A" * 43 + "=",
    "DATABASE_URL": "postgresql://app:password@db.example:5432/skillport",
}
ROOT = Path(__file__).parents[2]
Set = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Give a way to set variables, beside those that must be there; everything else of ours is unset."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
        monkeypatch.delenv(f"{field.alias}_FILE", raising=False)

    def put(**variables: str | None) -> None:
        for name, value in {**GOOD, **variables}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    put()
    return put


def refusal() -> str:
    with pytest.raises(BadEnvironment) as refused:
        read_environment()
    return str(refused.value)


def test_the_required_variables_are_enough() -> None:
    found = read_environment()
    assert found.site_url == "https://skills.example.org"
    assert found.secret_key.get_secret_value() == "s" * 50
    assert found.redis_url is None
    assert found.outbound_allow == frozenset()


def test_the_variables_above_are_all_that_is_required() -> None:
    assert {field.alias for field in Environment.model_fields.values() if field.is_required()} == GOOD.keys()


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_a_missing_variable_is_named_and_explained(environment: Set, name: str, value: str | None) -> None:
    environment(**{name: value})
    message = refusal()
    explained = next(field.description for field in Environment.model_fields.values() if field.alias == name)
    assert f"{name}: is not set. {explained}" in message
    assert not any(other in message for other in GOOD if other != name)


BAD_VALUES = {
    "SITE_URL": f"ftp://{CANARY}.example",
    "SECRET_KEY": CANARY,
    "DATABASE_URL": f"mysql:{CANARY}@db/skillport",
    "DATABASE_OWNER_URL": f"postgresql://{CANARY}.example:port/x",
    "DATABASE_ACROSS_ROLE": f"{CANARY}; DROP TABLE x",
    "DATABASE_CONNECTIONS": f"{CANARY}",
    "SKILLPORT_OUTBOUND_ALLOW": f"https://ok.example, git.{CANARY}.example",
    "SKILLPORT_LOG_FORMAT": CANARY,
    "SKILLPORT_LOG_LEVEL": CANARY,
}


def test_several_faults_are_named_at_once(environment: Set) -> None:
    environment(**BAD_VALUES, SKILLPORT_ENCRYPTION_KEYS=None)
    message = refusal()
    assert {line.split(":")[0].strip() for line in message.splitlines()[1:]} == {
        *BAD_VALUES, "SKILLPORT_ENCRYPTION_KEYS",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_VALUES.items(), ids=BAD_VALUES)
def test_a_wrong_variable_is_named_and_its_value_is_not_shown(
    environment: Set, name: str, value: str
) -> None:
    environment(**{name: value})
    message = refusal()
    assert f"  {name}: " in message
    assert CANARY not in message


def test_the_validator_itself_would_repeat_the_value(environment: Set) -> None:
    """The twin: the value is at hand when the message is made."""
    environment(SKILLPORT_LOG_LEVEL=CANARY)
    with pytest.raises(ValidationError) as refused:
        Environment()
    assert CANARY in str(refused.value.errors())


def test_a_start_with_a_wrong_environment_ends_with_the_message_and_without_a_traceback() -> None:
    variables = {**GOOD, "DATABASE_URL": f"postgresql://app:{CANARY}@:x/", "SECRET_KEY": CANARY}
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "Skillport cannot start. These environment variables are missing or wrong", "  SECRET_KEY", "  DATABASE_URL",
    ]  # fmt: skip
    assert CANARY not in done.stderr


KEY = "Q2FuYXJ5" * 5 + "Q2E="  # 32 bytes


def test_a_repr_of_the_environment_shows_no_secret(environment: Set) -> None:
    environment(
        SECRET_KEY=CANARY * 5, DATABASE_URL=f"postgresql://app:{CANARY}@db/x", REDIS_URL=f"redis://:{CANARY}@r",
        SKILLPORT_ENCRYPTION_KEYS=f"a:{KEY}", DATABASE_OWNER_URL=f"postgresql://owner:{CANARY}@db/x",
    )  # fmt: skip
    found = read_environment()
    assert found.redis_url is not None
    assert CANARY in found.redis_url.get_secret_value()  # or the next line would say nothing
    assert CANARY not in repr(found)
    assert KEY not in repr(found)


# --- values from files ------------------------------------------------------------------------------------------------


def test_a_value_may_come_from_a_file(environment: Set, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 60 + "\n")
    environment(SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    assert read_environment().secret_key.get_secret_value() == "f" * 60
    environment(SECRET_KEY="e" * 60)
    assert read_environment().secret_key.get_secret_value() == "e" * 60


@pytest.mark.parametrize("name", GOOD)
def test_a_file_that_is_not_there_is_named_by_its_variable(
    environment: Set, name: str, tmp_path: Path
) -> None:
    environment(**{name: None, f"{name}_FILE": str(tmp_path / "missing")})
    assert refusal() == f"Skillport cannot start: {name}_FILE: No such file or directory"


def test_a_file_that_is_not_text_is_named_by_its_variable(environment: Set, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(bytes(range(256)))
    environment(SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    assert "SECRET_KEY_FILE" in refusal()


# --- SITE_URL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://skills.example.org", "https://skills.example.org"),
        ("https://skills.example.org/", "https://skills.example.org"),
        ("https://skills.example.org:8443/", "https://skills.example.org:8443"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://Skills.Example.ORG", "https://skills.example.org"),
        ("https://skills.example.org:443", "https://skills.example.org"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_sites_address_is_kept_as_browsers_say_it(environment: Set, written: str, meant: str) -> None:
    environment(SITE_URL=written)
    assert read_environment().site_url == meant


@pytest.mark.parametrize(
    "url",
    [
        "https://skills.example.org/skillport", "https://skills.example.org/a/", "skills.example.org", "//x.example",
        "https://", "ftp://skills.example.org", "https://user:pw@skills.example.org", "https://skills example.org",
        "http://skills.example.org", "http://127.0.0.2:8000", "http://localhost.example.org", "http://10.0.0.1",
        "https://skills.example.org?x=1", "https://skills.example.org#x",
    ],
)  # fmt: skip
def test_a_site_address_with_more_than_scheme_host_and_port_or_without_tls_is_refused(
    environment: Set, url: str
) -> None:
    environment(SITE_URL=url)
    assert "  SITE_URL: " in refusal()


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["https://a.example http://127.0.0.1:8080", "https://a.example,http://127.0.0.1:8080,\n"]
)
def test_allowed_origins_are_separated_by_spaces_or_commas(environment: Set, text: str) -> None:
    environment(SKILLPORT_OUTBOUND_ALLOW=text)
    wanted = {Origin("https", "a.example", 443), Origin("http", "127.0.0.1", 8080)}
    assert read_environment().outbound_allow == wanted


@pytest.mark.parametrize(
    "text", ["*", "a.example", "https://*.example", "10.0.0.0/8", "ssh://a.example", "https://u@a.example"]
)
def test_what_is_no_origin_is_not_allowed(environment: Set, text: str) -> None:
    environment(SKILLPORT_OUTBOUND_ALLOW=f"https://fine.example {text}")
    assert "SKILLPORT_OUTBOUND_ALLOW: each entry is an origin" in refusal()


@pytest.mark.parametrize(
    "url",
    [
        "skillport",
        "mysql://u:p@h/d",
        "postgresql://h/d",
        "postgresql://u:p@h",
        "user=u",
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_OWNER_URL"])
def test_a_database_address_without_user_or_database_is_refused(
    environment: Set, name: str, url: str
) -> None:
    environment(**{name: url})
    assert f"  {name}: " in refusal()


def test_nothing_else_is_read(environment: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("REDIS_URL=redis://from-a-file\n")
    environment(redis_url="redis://in-lower-case")
    assert read_environment().redis_url is None
