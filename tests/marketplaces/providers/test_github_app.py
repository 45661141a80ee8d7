"""A repository that is read as a GitHub App: its tokens, how long they are kept, and what is said when there is none."""

import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.utils import timezone

from marketplaces.models import Marketplace, SyncRun
from marketplaces.providers import github_app
from marketplaces.providers.api import Kind
from marketplaces.providers.github_app import AppKeyInvalid, GitHubApp
from marketplaces.services import binding, bound, checking, moving, webhook_setup
from marketplaces.services.credentials import AppNeedsGitHub, Credential
from marketplaces.services.steps import Step, StepName, StepState
from marketplaces.services.worker import Worker
from skillport.errors import SkillportError
from skillport.outbound import Outbound
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.providers.emulated_github import (
    APP,
    BARE_APP,
    HOOKS_APP,
    INSTALLATION,
    OTHER,
    OWN,
    WIDE_APP,
    EmulatedGitHub,
    given,
    new_key,
)
from tests.marketplaces.providers.fake_hosts import FakeGitLab, Token
from tests.publishing import sync_now
from tests.repositories import SMALL, NewRepository


@pytest.fixture
def key(keys: dict[str, str]) -> str:
    return keys[APP]


def bind(cast: Cast, emulated: EmulatedGitHub, credential: Credential, name: str = OWN) -> Marketplace:
    binding.bind_checked_marketplace(
        principal=cast.alice, slug="skills", url=emulated.url_of(name), credential=credential
    )
    return row_of(cast)


def row_of(cast: Cast) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get()


def sync(cast: Cast, worker: Worker) -> SyncRun:
    return sync_now(cast.alice, row_of(cast).pk, worker)


def newest(emulated: EmulatedGitHub) -> str:
    return list(emulated.minted)[-1]


def test_a_repository_is_bound_and_read_with_tokens_for_it_alone(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    row = bind(cast, emulated, given(key))
    assert sync(cast, worker).state == "succeeded"
    for told in emulated.token_log():
        assert told["permissions"] == {"contents": "read"}
        assert told["repository_selection"] == "selected"
        assert len(told["repository_ids"]) == 1
    row = row_of(cast)
    assert (row.provider, row.app_id, row.app_installation_id) == ("github", APP, INSTALLATION)
    assert row.app_repository_id == emulated.token_log()[0]["repository_ids"][0]
    assert row.minted_token.open() == newest(emulated)
    assert newest(emulated).encode() not in row.minted_token.sealed
    assert key.encode() not in row.credential.sealed


def test_the_app_names_itself_for_minutes_and_to_its_api_alone(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    bind(cast, emulated, given(key))
    sync(cast, worker)
    public: Any = load_pem_private_key(key.encode(), None).public_key()
    told = [asked.headers["authorization"].removeprefix("Bearer ") for asked in emulated.asked]
    assert told
    for token in told:
        said = jwt.decode(token, public, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]})
        assert said.keys() == {"iat", "exp", "iss"}
        assert said["iss"] == APP
        assert said["exp"] - said["iat"] <= 600, "GitHub takes no more"
        assert said["iat"] <= time.time() - 60, "its clock may be behind ours"
    for exchange in emulated.git_host.exchanges:
        assert not any(token in exchange.path for token in [*told, *emulated.minted])


def test_a_client_id_names_the_app_as_well() -> None:
    app = GitHubApp(
        "Iv23liABCDEFGH012345", new_key(), "https://github.com/acme/skills.git", Outbound(frozenset())
    )
    assert jwt.decode(app._named(), options={"verify_signature": False})["iss"] == "Iv23liABCDEFGH012345"


def unfit(kind: str) -> str:
    """Give what is no key of an App, or none that GitHub would make."""
    traditional, plain = PrivateFormat.TraditionalOpenSSL, NoEncryption()
    if kind == "elliptic":
        other = ec.generate_private_key(ec.SECP256R1())
        return other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, plain).decode()
    if kind == "short":
        short = rsa.generate_private_key(65537, 1024)  # noqa: S505 it is to be refused
        return short.private_bytes(Encoding.PEM, traditional, plain).decode()
    if kind == "locked":
        key = load_pem_private_key(new_key().encode(), None)
        return key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"locked")
        ).decode()
    broken = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"
    return {"nothing": "", "a token": "ghp_0123456789", "broken": broken, "long": "-" * 30_000}[kind]


@pytest.mark.parametrize("kind", ["nothing", "a token", "broken", "long", "elliptic", "short", "locked"])
def test_what_is_no_key_of_an_app_is_refused_before_anything_is_saved(cast: Cast, kind: str) -> None:
    with pytest.raises(AppKeyInvalid):
        binding.bind_marketplace(
            principal=cast.alice,
            slug="skills",
            url="https://github.com/acme/skills.git",
            credential=given(unfit(kind)),
        )
    with within(cast.acme):
        assert not Marketplace.objects.for_organization(cast.acme).exists()


def huge_key() -> str:
    """Give a key that is well, but longer than any of GitHub's: two primes of Mersenne's, 4,484 bits together."""
    p, q, e = 2**2281 - 1, 2**2203 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q)
    )
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def test_the_primes_of_a_huge_key_are_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stop the whole process, for everybody, as long as that takes."""
    proved: list[bool] = []

    def load(data: bytes, password: None, *, unsafe_skip_rsa_key_validation: bool = False) -> Any:
        proved.append(not unsafe_skip_rsa_key_validation)
        return load_pem_private_key(
            data, password, unsafe_skip_rsa_key_validation=unsafe_skip_rsa_key_validation
        )

    monkeypatch.setattr(github_app, "load_pem_private_key", load)
    with pytest.raises(AppKeyInvalid):
        github_app.fingerprint(huge_key())
    assert proved == [False]
    assert github_app.fingerprint(new_key())
    assert proved == [False, False, True], "what is kept is a key"


def test_the_fingerprint_is_the_one_that_github_shows(
    cast: Cast, emulated: EmulatedGitHub, key: str, tmp_path: Path
) -> None:
    bind(cast, emulated, given(key))
    (tmp_path / "key.pem").write_text(key)
    # The command that GitHub's page about private keys gives.
    shown = b""
    for command in ("rsa -in key.pem -pubout -outform DER", "sha256 -binary", "base64"):
        shown = subprocess.run(
            ["openssl", *command.split()], input=shown, cwd=tmp_path, capture_output=True, check=True
        ).stdout
    app = bound.list_marketplaces(principal=cast.alice)[0].app
    assert app is not None
    assert app.key_fingerprint == f"SHA256:{shown.decode().strip()}"


def test_a_sync_that_finds_nothing_new_asks_for_no_token(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    bind(cast, emulated, given(key))
    sync(cast, worker)
    emulated.asked.clear()
    for _ in range(3):
        run = sync(cast, worker)
        assert (run.state, run.requests) == ("unchanged", 1)
    assert emulated.asked == []


@pytest.mark.parametrize(("minutes", "mints"), [(11, 0), (9, 1), (-1, 1)])
def test_a_token_is_used_while_it_is_good_for_a_whole_sync(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker, minutes: int, mints: int
) -> None:
    row = bind(cast, emulated, given(key))
    sync(cast, worker)
    emulated.asked.clear()
    with within(cast.acme):
        own = Marketplace.objects.for_organization(cast.acme).filter(pk=row.pk)
        own.update(minted_until=timezone.now() + timedelta(minutes=minutes))
    assert sync(cast, worker).state == "unchanged"
    assert len(emulated.mints) == len(emulated.asked) == mints
    if mints:
        assert emulated.mints[0].body == {
            "repository_ids": [row_of(cast).app_repository_id],
            "permissions": {"contents": "read"},
        }, "a repository that was renamed is still the same"


def test_a_token_that_is_refused_is_minted_anew_once(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    bind(cast, emulated, given(key))
    sync(cast, worker)
    emulated.revoked.update(emulated.minted)
    emulated.asked.clear()
    assert sync(cast, worker).state == "unchanged"
    assert len(emulated.mints) == 1
    assert row_of(cast).minted_token.open() == newest(emulated)
    emulated.revokes_at_once = True
    emulated.revoked.update(emulated.minted)
    emulated.asked.clear()
    run = sync(cast, worker)
    assert (run.state, run.error_code, row_of(cast).attention) == (
        "failed",
        "github_app_token_refused",
        "github_app_token_refused",
    )
    assert len(emulated.mints) == 1


def test_an_app_that_was_installed_anew_is_found_again(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    bind(cast, emulated, given(key, installation_id=INSTALLATION + 50))
    assert sync(cast, worker).state == "succeeded"
    assert row_of(cast).app_installation_id == INSTALLATION


def test_what_only_a_person_can_put_right_waits_for_one(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    row = bind(cast, emulated, given(key))
    emulated.suspended = True
    run = sync(cast, worker)
    assert (run.state, run.error_code) == ("failed", "github_app_suspended")
    assert row_of(cast).attention == "github_app_suspended"
    emulated.suspended = False
    binding.replace_checked_credential(principal=cast.alice, marketplace_id=row.pk, credential=given(key))
    assert sync(cast, worker).state == "succeeded"
    assert row_of(cast).attention == ""


def test_a_host_that_wants_a_pause_gets_one(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    bind(cast, emulated, given(key))
    emulated.paused = True
    run = sync(cast, worker)
    assert (run.state, run.error_code) == ("failed", "git_host_rate_limited")
    row = row_of(cast)
    assert row.quiet_until is not None
    assert row.attention == ""


def check(cast: Cast, emulated: EmulatedGitHub, credential: Credential, name: str = OWN) -> list[Step]:
    begun = checking.begin_check(principal=cast.alice, url=emulated.url_of(name), credential=credential)
    return list(checking.check(begun).steps)


def test_a_check_tells_of_the_app_and_its_installation(
    cast: Cast, emulated: EmulatedGitHub, key: str
) -> None:
    steps = check(cast, emulated, given(key))
    assert [step.name for step in steps] == list(StepName)
    assert {step.state for step in steps} == {StepState.OK}
    wide = {step.name: step for step in check(cast, emulated, given(key, WIDE_APP, INSTALLATION + 2))}
    assert wide[StepName.INSTALLATION].state is StepState.CARE
    assert "Contents: Read-only is all" in wide[StepName.INSTALLATION].remedy
    assert wide[StepName.FINDINGS].state is StepState.OK
    assert emulated.token_log()[-1]["permissions"] == {"contents": "read"}, "whatever the App may do"


@pytest.mark.parametrize(
    ("trouble", "at", "code", "remedy"),
    [
        ("no key", StepName.APP, "github_app_key_invalid", "Paste the whole .pem file"),
        ("no id", StepName.APP, "github_app_id_invalid", "Copy it from the App's page"),
        ("another key", StepName.APP, "github_app_unknown", "Compare both with the App's page"),
        ("another app", StepName.APP, "github_app_unknown", "Compare both with the App's page"),
        ("no rights", StepName.INSTALLATION, "github_app_may_not_read", "Contents: Read-only"),
        ("suspended", StepName.INSTALLATION, "github_app_suspended", "Unsuspend"),
        ("not selected", StepName.INSTALLATION, "github_app_not_installed", "Only select repositories"),
        ("not selected, id given", StepName.INSTALLATION, "github_app_not_for_repository", "Repository access"),
        ("down", StepName.APP, "host_unreachable", "over https"),
        ("paused", StepName.APP, "provider_paused", "Check again in a few minutes"),
    ],
)  # fmt: skip
def test_a_check_says_what_is_wrong_and_what_to_do(
    cast: Cast,
    emulated: EmulatedGitHub,
    keys: dict[str, str],
    trouble: str,
    at: StepName,
    code: str,
    remedy: str,
) -> None:
    emulated.suspended, emulated.down, emulated.paused = (
        trouble == one for one in ("suspended", "down", "paused")
    )
    key = {"no key": "-----BEGIN nothing", "another key": keys["another"]}.get(trouble, keys[APP])
    app_id = {"another app": "999", "no id": "../12345", "no rights": BARE_APP}.get(trouble, APP)
    number = {"no rights": INSTALLATION + 1, "not selected, id given": INSTALLATION}.get(trouble)
    name = OTHER if trouble.startswith("not selected") else OWN
    failed = check(cast, emulated, given(key, app_id, number), name)[-1]
    assert (failed.name, failed.state, failed.code) == (at, StepState.FAILED, code)
    assert remedy in failed.remedy
    for secret in (key, *emulated.minted):
        assert secret not in repr(failed)
        assert secret not in failed.said + failed.remedy


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://gitlab.com/acme/skills.git", Kind.NOT_ASKED),
        ("https://git.example/acme/skills.git", Kind.GITLAB),
    ],
)
def test_another_host_is_not_told_who_the_app_is(cast: Cast, key: str, url: str, provider: Kind) -> None:
    with pytest.raises(AppNeedsGitHub):
        binding.check_repository(principal=cast.alice, url=url, credential=given(key), provider=provider)


def test_an_app_is_not_bound_to_what_somebody_says_is_another_host(cast: Cast, key: str) -> None:
    url = "https://git.example/acme/skills.git"
    with pytest.raises(AppNeedsGitHub):
        binding.bind_marketplace(
            principal=cast.alice, slug="skills", url=url, credential=given(key), provider=Kind.GITLAB
        )


@pytest.mark.parametrize("chosen", [True, False])
def test_a_host_that_is_known_as_another_gets_no_token_of_the_app(
    cast: Cast, gitlab: FakeGitLab, new_repository: NewRepository, key: str, chosen: bool
) -> None:
    """The App names itself with what opens all of its installations for minutes."""
    repository = new_repository(SMALL)
    gitlab.tokens[repository.token] = Token(expires="2027-03-31")
    gitlab.says_what_it_is = not chosen
    url, kind = gitlab.url_of(repository.name), Kind.GITLAB if chosen else Kind.NOT_ASKED
    named = given(key)
    bound = binding.bind_checked_marketplace(
        principal=cast.alice, slug="skills", url=url, credential=Credential(repository.token), provider=kind
    )
    assert row_of(cast).provider == Kind.GITLAB
    asked = len(gitlab.asked)
    with pytest.raises(AppNeedsGitHub):
        binding.replace_checked_credential(
            principal=cast.alice, marketplace_id=bound.marketplace_id, credential=named
        )
    with pytest.raises(AppNeedsGitHub):
        binding.bind_checked_marketplace(
            principal=cast.alice, slug="again", url=url, credential=named, provider=Kind.GITLAB
        )
    assert len(gitlab.asked) == asked


def test_a_key_is_replaced_without_a_gap(
    cast: Cast, emulated: EmulatedGitHub, keys: dict[str, str], worker: Worker
) -> None:
    row = bind(cast, emulated, given(keys[APP]))
    sync(cast, worker)
    with pytest.raises(SkillportError) as refusal:
        binding.replace_checked_credential(
            principal=cast.alice, marketplace_id=row.pk, credential=given(keys["another"])
        )
    assert refusal.value.code == "github_app_unknown"
    assert row_of(cast).credential.open() == keys[APP]
    binding.replace_checked_credential(
        principal=cast.alice, marketplace_id=row.pk, credential=given(keys[APP], HOOKS_APP, INSTALLATION + 3)
    )
    row = row_of(cast)
    assert (row.app_id, row.minted_token.open(), row.minted_until) == (HOOKS_APP, "", None)
    assert sync(cast, worker).state == "unchanged"
    binding.replace_credential(
        principal=cast.alice, marketplace_id=row.pk, credential=Credential("a-token-0123456789")
    )
    row = row_of(cast)
    assert (row.app_id, row.app_installation_id, row.app_repository_id) == ("", None, None)
    assert (row.credential_fingerprint, row.credential_last_four) == ("", "6789")


def test_an_app_that_may_not_register_webhooks_says_so(
    cast: Cast, emulated: EmulatedGitHub, key: str
) -> None:
    row = bind(cast, emulated, given(key))
    with pytest.raises(SkillportError) as refusal:
        webhook_setup.register_webhook(principal=cast.alice, marketplace_id=row.pk)
    assert refusal.value.code == "github_app_may_not_register"
    assert "Webhooks: Read and write" in refusal.value.message


def test_a_repository_that_has_moved_is_looked_for_anew(
    cast: Cast, emulated: EmulatedGitHub, key: str, worker: Worker
) -> None:
    """Transferred to another owner it has another installation, and the address decides which."""
    row = bind(cast, emulated, given(key))
    sync(cast, worker)
    with within(cast.acme):
        own = Marketplace.objects.for_organization(cast.acme).filter(pk=row.pk)
        own.update(url=emulated.url_of("apps/before"), moved_to=emulated.url_of(OWN), app_installation_id=7)
    emulated.asked.clear()
    moving.confirm_move(principal=cast.alice, marketplace_id=row.pk, address=emulated.url_of(OWN))
    row = row_of(cast)
    assert (row.url, row.app_id, row.app_installation_id, row.minted_until) == (
        emulated.url_of(OWN), APP, None, None,
    )  # fmt: skip
    assert sync(cast, worker).state == "unchanged"
