"""An administrator says which kind of git host it is, where the host does not say so itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from django.utils import timezone

from marketplaces.models import Marketplace
from marketplaces.services import binding, credential_expiry, moving, webhook_setup
from marketplaces.services.credentials import Credential
from skillport.errors import SkillportError
from skillport.scoping import within
from tests.cast import Cast, key_of, make_cast
from tests.connector.rest import call, code_of
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, Token
from tests.repositories import SMALL, NewRepository, Repository
from tests.running import Running
from tests.signing_in import browser_of

ROOT = "/acme/settings/marketplaces/"
ENDS = datetime(2027, 3, 31, tzinfo=UTC)


@pytest.fixture
def cast(live: Running, no_other_worker: None) -> Cast:
    return make_cast()


@pytest.fixture
def repository(new_repository: NewRepository) -> Repository:
    return new_repository(SMALL)


@pytest.fixture
def silent(gitlab: FakeGitLab, repository: Repository) -> FakeGitLab:
    """A GitLab that is not recognised, with a token that may register webhooks."""
    gitlab.says_what_it_is = False
    gitlab.tokens[repository.token] = Token(expires="2027-03-31")
    return gitlab


@pytest.fixture(autouse=True)
def _nothing_waits(cast: Cast) -> Iterator[None]:
    """Leave no sync for the running worker, which does not know these hosts."""
    yield
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).update(current_snapshot=None)
        Marketplace.objects.for_organization(cast.acme).delete()


def row_of(cast: Cast) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get()


def known(cast: Cast) -> tuple[str, bool, datetime | None]:
    row = row_of(cast)
    return row.provider, row.provider_chosen, row.credential_expires_at


def given(host: FakeGitLab, repository: Repository, **more: str) -> dict[str, str]:
    return {"url": host.url_of(repository.name), "credential_secret": repository.token, **more}


def test_the_page_for_binding_has_the_choice(cast: Cast, silent: FakeGitLab, repository: Repository) -> None:
    browser = browser_of(cast.alice)
    assert "Kind of git host" in browser.get(f"{ROOT}bind/").content.decode()
    assert browser.post(f"{ROOT}bind/", given(silent, repository, provider="gitlab")).status_code == 200
    assert known(cast) == ("gitlab", True, ENDS)
    assert "/api/v4/version" not in [asked.path for asked in silent.asked], "nobody asked what it is"


def test_what_was_not_recognised_is_chosen_in_the_settings(
    cast: Cast, silent: FakeGitLab, repository: Repository
) -> None:
    browser = browser_of(cast.alice)
    assert browser.post(f"{ROOT}bind/", given(silent, repository)).status_code == 200
    assert known(cast) == ("other", False, None)
    own = f"{ROOT}{row_of(cast).pk}/"
    settings = {"branch": "", "folder": "", "poll_seconds": "600", "keep_days": "30", "provider": "gitlab"}
    assert browser.post(f"{own}edit/", settings).status_code == 302
    credential_expiry.look_after_credentials(now=timezone.now())
    assert known(cast) == ("gitlab", True, ENDS)
    page = browser.get(own).content.decode()
    assert "GitLab, as an administrator chose" in page
    browser.post(f"{own}webhook/register/")
    assert len(silent.hooks) == 1
    assert browser.post(f"{own}edit/", {**settings, "provider": ""}).status_code == 302
    assert known(cast)[:2] == ("", False)


def test_rest_has_the_choice_and_another_kind_is_never_asked(
    http: httpx2.Client, cast: Cast, gitlab: FakeGitLab, repository: Repository
) -> None:
    gitlab.tokens[repository.token] = Token(expires="2027-03-31")
    key = key_of(cast.alice)
    wanted = {"url": gitlab.url_of(repository.name), "credential": repository.token, "provider": "other"}
    assert code_of(call(http, key, "POST", "marketplaces", {**wanted, "provider": "svn"}))[0] == 400
    made = call(http, key, "POST", "marketplaces", wanted).json()
    address = f"marketplaces/{made['id']}"
    with pytest.raises(SkillportError) as refused:
        webhook_setup.register_webhook(principal=cast.alice, marketplace_id=row_of(cast).pk)
    assert refused.value.code == "provider_unknown"
    credential_expiry.look_after_credentials(now=timezone.now() + timedelta(days=2))
    assert gitlab.asked == []
    shown = call(http, key, "GET", address).json()
    assert (shown["provider"], shown["provider_chosen"]) == ("other", True)
    assert call(http, key, "PATCH", address, {"provider": "gitlab"}).status_code == 200
    webhook_setup.register_webhook(principal=cast.alice, marketplace_id=row_of(cast).pk)
    assert len(gitlab.hooks) == 1


def test_what_was_chosen_stays_with_another_credential_and_goes_with_the_host(
    cast: Cast, silent: FakeGitLab, github: FakeGitHub, repository: Repository
) -> None:
    browser_of(cast.alice).post(f"{ROOT}bind/", given(silent, repository, provider="gitlab"))
    row = row_of(cast)
    binding.replace_credential(
        principal=cast.alice, marketplace_id=row.pk, credential=Credential("another-token")
    )
    assert known(cast) == ("gitlab", True, None)
    to = github.url_of(repository.name)
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).filter(pk=row.pk).update(moved_to=to)
    moving.confirm_move(
        principal=cast.alice, marketplace_id=row.pk, address=to, credential=Credential(repository.token)
    )
    assert known(cast) == ("", False, None)
