"""Install tokens: once, for five minutes, for one member, for one release."""

import gzip
import io
import tarfile
import threading
from collections import Counter
from datetime import timedelta
from typing import NoReturn

import httpx2
import pytest
from django.db.models.functions import Now

from connector.install import install_tokens
from connector.install.install_tokens import (
    InstallTokenSpent,
    InstallTokenUnknown,
    Issued,
    issue_install_token,
    redeem_install_token,
)
from connector.models import InstallToken
from marketplaces.manifest.digests import release_digest
from marketplaces.models import Effect
from marketplaces.services import access
from marketplaces.services.access import What, Who
from marketplaces.services.catalog import SkillNotFound
from marketplaces.services.worker import Worker
from skillport.accounts.models import User
from skillport.audit.models import AuditEvent
from skillport.organizations.services.members import end_membership
from skillport.scoping import UnscopedQuery, within
from tests.cast import Cast, make_cast
from tests.publishing import hide, publish, sync_now
from tests.repositories import SMALL, NewRepository, skill


@pytest.fixture
def published(cast: Cast, new_repository: NewRepository, worker: Worker) -> Cast:
    publish(cast.alice, new_repository(SMALL), worker)
    return cast


def issue(cast: Cast, name: str = "hello") -> str:
    return issue_install_token(principal=cast.bob, name=name).plain_secret


def age(cast: Cast, seconds: int, field: str) -> None:
    with within(cast.acme):
        InstallToken.objects.for_organization(cast.acme).update(**{field: Now() - timedelta(seconds=seconds)})


def test_tokens_are_forgotten_a_month_after_their_end_and_until_then_tell_what_became_of_them(
    published: Cast,
) -> None:
    used = issue(published)
    redeem_install_token(secret=used)
    age(published, 29 * 86_400, "expires_at")
    issue(published)
    assert install_tokens.forget_old_tokens(published.acme.pk) == 0
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=used)
    age(published, 31 * 86_400, "expires_at")
    fresh = issue(published)
    assert install_tokens.forget_old_tokens(published.globex.pk) == 0, "those of others are not touched"
    assert install_tokens.forget_old_tokens(published.acme.pk) == 2
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=used)
    assert redeem_install_token(secret=fresh).skill == "hello"


def test_a_token_works_exactly_once(published: Cast) -> None:
    secret = issue(published)
    assert redeem_install_token(secret=secret).skill == "hello"
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=secret)


def test_an_expired_token_and_one_that_never_was_get_the_same_answer(published: Cast) -> None:
    secret = issue(published)
    age(published, 1, "expires_at")
    for given in (
        secret,
        "sklp_it_" + "A" * 49,
        "junk",
        "",
        "sklp_it_\ud800",
        secret.replace("_it_", "_ak_"),
    ):
        with pytest.raises(InstallTokenUnknown):
            redeem_install_token(secret=given)


def test_after_its_claim_a_redemption_is_held_to_its_own_organization(
    published: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later step that forgot whose rows it wants must be refused, although the claim crosses organizations.

    Red without the block around the steps after the claim (a reviewed mutant, `tests/mutations/reviewed.py`).
    """

    def forgetful(_: InstallToken) -> NoReturn:
        InstallToken.objects.all_organizations().count()
        pytest.fail("the whole table was read")

    monkeypatch.setattr(install_tokens, "_contents", forgetful)
    with pytest.raises(UnscopedQuery):
        redeem_install_token(secret=issue(published))


def test_the_same_client_may_repeat_a_broken_download_for_two_minutes(published: Cast) -> None:
    secret = issue(published)
    first = redeem_install_token(secret=secret, redemption_key="k" * 32)
    assert redeem_install_token(secret=secret, redemption_key="k" * 32).archive == first.archive
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=secret, redemption_key="other")
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=secret)
    age(published, 121, "redeemed_at")
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=secret, redemption_key="k" * 32)


def test_a_repetition_is_allowed_three_times(published: Cast) -> None:
    secret = issue(published)
    for _ in range(4):
        redeem_install_token(secret=secret, redemption_key="k" * 32)
    with pytest.raises(InstallTokenSpent):
        redeem_install_token(secret=secret, redemption_key="k" * 32)


def test_the_right_is_checked_again_when_the_token_is_redeemed(published: Cast) -> None:
    secret = issue(published)
    rule = hide(published.alice, "hello", published.bob)
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=secret)
    access.delete_rule(principal=published.alice, rule_id=rule)
    assert redeem_install_token(secret=secret).skill == "hello", "the refusal did not spend it"


def test_a_token_ends_with_the_membership_and_with_the_person(published: Cast) -> None:
    first, second = issue(published), issue(published)
    User.objects.filter(pk=published.bob.user_id).update(is_active=False)
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=first)
    User.objects.filter(pk=published.bob.user_id).update(is_active=True)
    end_membership(
        organization=published.acme, membership_id=published.bob.membership_id, actor=published.alice
    )
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=second)


def test_a_token_gives_the_release_it_was_issued_for(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    secret = issue(cast)
    repository.commit({**SMALL, "plugins/tools/skills/hello/SKILL.md": skill("hello", "Newer.")})
    sync_now(cast.alice, marketplace_id, worker)
    redeemed = redeem_install_token(secret=secret)
    assert redeemed.version == "1.2.0"
    with tarfile.open(fileobj=io.BytesIO(redeemed.archive)) as tar:
        assert b"Greets people." in tar.extractfile("SKILL.md").read()  # type: ignore[union-attr]


def test_a_token_for_a_withdrawn_skill_is_not_valid(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    secret = issue(cast, "secret")
    repository.commit({path: content for path, content in SMALL.items() if "/secret/" not in path})
    sync_now(cast.alice, marketplace_id, worker)
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=secret)


def test_nobody_is_issued_a_token_for_what_they_may_not_read(published: Cast) -> None:
    hide(published.alice, "secret", published.bob)
    with pytest.raises(SkillNotFound):
        issue(published, "secret")
    with pytest.raises(SkillNotFound):
        issue_install_token(principal=published.charlie, name="hello")


def test_the_answer_fits_what_a_model_should_pay_and_repeats_nothing(published: Cast) -> None:
    issued = issue_install_token(principal=published.bob, name="hello")
    assert issued.command.count(issued.plain_secret) == 1
    assert issued.plain_secret not in repr(issued)
    assert isinstance(issued, Issued)


def test_a_bundle_is_the_same_bytes_for_everybody_and_holds_what_its_digest_says(published: Cast) -> None:
    one, two = (redeem_install_token(secret=issue(published)) for _ in range(2))
    assert one.archive == two.archive
    assert gzip.decompress(one.archive) == gzip.decompress(two.archive)
    import hashlib

    with tarfile.open(fileobj=io.BytesIO(one.archive)) as tar:
        members = tar.getmembers()
        assert all(
            member.isreg() and member.mtime == 0 and member.uid == 0 and member.uname == ""
            for member in members
        )
        assert [member.name for member in members] == sorted(member.name for member in members)
        files = [
            (member.name, member.mode == 0o755, hashlib.sha256(tar.extractfile(member).read()).digest())  # type: ignore[union-attr]
            for member in members
        ]
    assert one.digest == f"sha256:{release_digest(files).hex()}"


def test_issuing_and_redeeming_are_recorded_without_the_secret(published: Cast) -> None:
    secret = issue(published)
    redeem_install_token(secret=secret)
    with within(published.acme):
        events = AuditEvent.objects.for_organization(published.acme).filter(
            action__startswith="install-token"
        )
        assert [event.action for event in events.order_by("id")] == [
            "install-token:issued",
            "install-token:redeemed",
        ]
        assert secret not in str([event.__dict__ for event in events])


def test_rule_for_everyone_else_does_not_spend(published: Cast) -> None:
    secret = issue(published)
    access.create_rule(principal=published.alice, who=Who(), what=What(), effect=Effect.DENY)
    for _ in range(2):
        with pytest.raises(InstallTokenUnknown):
            redeem_install_token(secret=secret)


# --- over HTTP -----------------------------------------------------------------------------------------------------------


def test_of_many_simultaneous_redemptions_exactly_one_succeeds(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    secrets = [issue(cast) for _ in range(5)]
    answered: list[tuple[str, int]] = []
    begin = threading.Barrier(20)

    def redeem(number: int) -> None:
        begin.wait()
        for secret in secrets:
            body = {"token": secret, "redemption_key": f"client-{number}"}
            answered.append((secret, http.post("/api/v1/install/redeem", json=body).status_code))

    threads = [threading.Thread(target=redeem, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(answered) == Counter(
        {(secret, 200): 1 for secret in secrets} | {(secret, 410): 19 for secret in secrets}
    )


def test_the_address_form_gives_the_files_as_json(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    secret = issue(cast)
    told = http.get(f"/api/install/{secret}").json()
    assert told["skill"]["name"] == "hello"
    files = {file["path"]: file for file in told["files"]}
    assert files["SKILL.md"]["content"].startswith("---")
    assert files["assets/dot.png"]["encoding"] == "base64"
    assert files["scripts/greet.sh"]["executable"]
    assert http.get(f"/api/install/{secret}").status_code == 410
    assert http.get("/api/install/sklp_it_nothing").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"token": 1}', b'{"token": ""}', b'{"token": "\\ud800"}', b"x" * 5000, b"[" * 100_000,
        b'{"token":' * 100_000, b'{"token": "\\u0000"}', b'{"token": "x", "redemption_key": "\\u0000"}',
        b'{"token": "x", "redemption_key": "\\ud800"}', b'{"token": "\xff"}', b'{"token": ' + b"1" * 5000 + b"}",
    ],
    ids=range(14),
)  # fmt: skip
def test_a_bad_request_to_redeem_is_refused_politely(http: httpx2.Client, body: bytes) -> None:
    answer = http.post("/api/v1/install/redeem", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "zlib", "no-such"])
def test_json_is_read_as_json_whatever_encoding_a_client_claims(http: httpx2.Client, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = http.post("/api/v1/install/redeem", content=b'{"token": "unknown"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "install_token_unknown")


@pytest.mark.parametrize("accept", ["application/gzip", "text/html", "x", ""])
def test_a_redemption_succeeds_whatever_the_client_would_rather_have(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker, accept: str
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    for address in ("/api/v1/install/redeem", "/api/v1/install/redeem?format=xml"):
        body = {"token": issue(cast), "redemption_key": "client"}
        answer = http.post(address, json=body, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/gzip")
    refused = http.post("/api/v1/install/redeem", json={"token": "unknown"}, headers={"Accept": accept})
    assert refused.json()["error"]["code"] == "install_token_unknown"


def test_asking_about_an_address_does_not_spend_its_token(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    secret = issue(cast)
    for method in ("HEAD", "OPTIONS", "POST"):
        answer = http.request(method, f"/api/install/{secret}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET"), method
    assert http.get(f"/api/install/{secret}").status_code == 200
