"""Registering the webhook: through the host's API from the page and over REST, up to the push that it reports."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from django.conf import settings
from django.test import Client

from marketplaces.services import webhook_setup
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from tests.cast import Cast, key_of, make_cast
from tests.connector.rest import call, code_of
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, FakeHost, Token
from tests.marketplaces.webhooks.sending import Hook
from tests.running import Running
from tests.signing_in import browser_of

TOKEN = "token-canary-0123456789"


@pytest.fixture
def cast(live: Running) -> Cast:
    return make_cast()


def bind(cast: Cast, host: FakeHost, token: str = TOKEN, name: str = "acme/skills") -> Hook:
    made = bind_marketplace(
        principal=cast.alice, slug="skills", url=host.url_of(name), credential=Credential(token)
    )
    return Hook(cast.alice, made.marketplace_id)


def register(cast: Cast, marketplace_id: UUID) -> str:
    """Press the button on the repository's page, and give what the page says afterwards."""
    browser = browser_of(cast.alice)
    own = f"/acme/settings/marketplaces/{marketplace_id}/"
    assert browser.post(f"{own}webhook/register/")["Location"] == own
    return browser.get(own).content.decode()


def test_github_gets_one_webhook_that_pings_and_reports_pushes(cast: Cast, github: FakeGitHub) -> None:
    github.tokens[TOKEN] = Token()
    hook = bind(cast, github)
    page = register(cast, hook.marketplace_id)
    assert "The webhook is registered." in page
    assert "registered at the git host" in page
    (made,) = github.hooks.values()
    assert (made["name"], made["events"], made["active"]) == ("web", ["push"], True)
    assert made["config"] == {
        "url": f"{settings.SITE_URL}/hooks/{hook.marketplace_id}",
        "secret": hook.secret,
        "content_type": "json",
        "insecure_ssl": "0",
    }
    assert hook.health.last_delivery_event == "ping"
    assert github.deliver() == [202]
    assert hook.health.last_delivery_event == "push"
    assert github.deliver("topic") == [202]
    assert all(
        asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in github.asked if "repos" in asked.path
    )


def test_registering_again_hands_over_the_new_secret(cast: Cast, github: FakeGitHub) -> None:
    github.tokens[TOKEN] = Token()
    hook = bind(cast, github)
    register(cast, hook.marketplace_id)
    former = hook.secret
    webhook_setup.replace_secret(principal=cast.alice, marketplace_id=hook.marketplace_id, at_once=True)
    assert github.deliver() == [401]
    page = browser_of(cast.alice).get(f"/acme/settings/marketplaces/{hook.marketplace_id}/").content.decode()
    assert "another secret" in page
    register(cast, hook.marketplace_id)
    (made,) = github.hooks.values()
    assert made["config"]["secret"] == hook.secret != former
    assert github.deliver() == [202]


@pytest.mark.parametrize("name", ["acme/skills", "acme/deeply/nested/skills"])
def test_gitlab_gets_a_signing_token_and_never_the_shared_one(
    cast: Cast, gitlab: FakeGitLab, name: str
) -> None:
    gitlab.tokens[TOKEN] = Token()
    hook = bind(cast, gitlab, name=name)
    assert "The webhook is registered." in register(cast, hook.marketplace_id)
    (made,) = gitlab.hooks.values()
    assert made["signing_token"] == hook.secret
    assert made["push_events"] is True
    assert made["enable_ssl_verification"] is True
    assert "token" not in made
    assert gitlab.deliver() == [202]
    assert hook.health.last_delivery_event == "Push Hook"
    register(cast, hook.marketplace_id)
    assert len(gitlab.hooks) == 1
    assert gitlab.asked[-1].method == "PUT"


def test_a_gitlab_before_19_gets_the_shared_token(cast: Cast, gitlab: FakeGitLab) -> None:
    gitlab.tokens[TOKEN], gitlab.knows_signing_tokens = Token(), False
    hook = bind(cast, gitlab)
    assert "The webhook is registered." in register(cast, hook.marketplace_id)
    (made,) = gitlab.hooks.values()
    assert made["token"] == hook.secret
    assert gitlab.deliver() == [202]


@pytest.fixture(params=["github", "gitlab"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host(kind: str, request: pytest.FixtureRequest) -> FakeHost:
    """Each of the two in turn, with a token that may do all."""
    host: FakeHost = request.getfixturevalue(kind)
    host.tokens[TOKEN] = Token()
    return host


def refused(cast: Cast, hook: Hook) -> Any:
    with pytest.raises(Exception) as refusal:  # noqa: PT011 its code is what is looked at
        webhook_setup.register_webhook(principal=cast.alice, marketplace_id=hook.marketplace_id)
    assert hook.health.registered_at is None
    return refusal.value


def test_a_token_that_may_not_says_which_right_it_lacks(cast: Cast, host: FakeHost, kind: str) -> None:
    host.tokens[TOKEN].hooks = False
    hook = bind(cast, host)
    page = register(cast, hook.marketplace_id)
    assert "does not let this token register webhooks" in page
    assert {"github": "Webhooks: Read and write", "gitlab": "role Maintainer"}[kind] in page
    assert host.hooks == {}
    assert hook.health.registered_at is None


def test_a_token_that_is_not_known(cast: Cast, host: FakeHost, kind: str) -> None:
    code = {"github": "provider_token_refused", "gitlab": "provider_token_may_not"}[kind]
    assert refused(cast, bind(cast, host, token="another-token")).code == code


def test_a_host_that_wants_a_pause_or_is_broken(cast: Cast, host: FakeHost, kind: str) -> None:
    hook = bind(cast, host)
    host.paused = True
    assert refused(cast, hook).code == "provider_paused"
    host.paused, host.down = False, True
    assert refused(cast, hook).code == "host_unreachable"


def test_a_repository_without_a_token(cast: Cast, host: FakeHost, kind: str) -> None:
    assert refused(cast, bind(cast, host, token="")).code == "provider_needs_token"
    assert host.asked == []


class TestOverRest:
    def test_everything_that_the_pages_do(self, http: httpx2.Client, cast: Cast, github: FakeGitHub) -> None:
        github.tokens[TOKEN] = Token()
        hook, key = bind(cast, github), key_of(cast.alice)
        address = f"marketplaces/{hook.marketplace_id}"
        done = call(http, key, "POST", f"{address}/webhook/registration")
        assert done.status_code == 200
        assert done.json()["registered_at"]
        assert done.json()["last_delivery_event"] == "ping"
        shown = call(http, key, "GET", address)
        assert shown.json()["webhook"] == done.json()
        assert shown.json()["provider"] == "github"
        by_hand = call(http, key, "GET", f"{address}/webhook").json()
        assert by_hand["url"].endswith(f"/hooks/{hook.marketplace_id}")
        assert f"{github.origin.plain}/acme/skills/settings/hooks/new" in by_hand["steps"][0]
        former = hook.secret
        made = call(http, key, "POST", f"{address}/webhook/secret", {})
        assert (made.status_code, made.json()["webhook_secret"]) == (201, hook.secret)
        assert made.json()["former_until"]
        assert hook.secret != former
        at_once = call(http, key, "POST", f"{address}/webhook/secret", {"at_once": True}).json()
        assert at_once["former_until"] is None
        refused = call(http, key, "POST", f"{address}/webhook/secret", {"signing_token": "nonsense"})
        assert code_of(refused) == (422, "signing_token_invalid")
        for text in (shown.text, done.text, str(by_hand)):
            assert former not in text
            assert TOKEN not in text

    def test_who_may_not_manage_marketplaces_reaches_nothing(
        self, http: httpx2.Client, cast: Cast, github: FakeGitHub
    ) -> None:
        hook = bind(cast, github)
        for method, path in [
            ("GET", "webhook"),
            ("POST", "webhook/registration"),
            ("POST", "webhook/secret"),
        ]:
            address = f"marketplaces/{hook.marketplace_id}/{path}"
            body: Any = {} if method == "POST" else None
            assert code_of(call(http, key_of(cast.bob), method, address, body)) == (403, "not_allowed")
            charlies = call(http, key_of(cast.charlie), method, address, body, slug="globex")
            assert charlies.status_code == 404
        assert github.asked == []


class TestByHand:
    def page(self, cast: Cast, hook: Hook, **form: str) -> tuple[Client, str, str]:
        browser, own = browser_of(cast.alice), f"/acme/settings/marketplaces/{hook.marketplace_id}/"
        answer = browser.post(f"{own}webhook/", form) if form else browser.get(f"{own}webhook/")
        return browser, own, answer.content.decode() or answer["Location"]

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("https://github.com/acme/skills.git", "https://github.com/acme/skills/settings/hooks/new"),
            ("https://gitlab.com/acme/deep/skills.git", "https://gitlab.com/acme/deep/skills/-/hooks"),
            ("https://git.example/acme/skills.git", "X-Hub-Signature-256"),
        ],
    )
    def test_the_clicks_are_those_of_the_host(self, cast: Cast, url: str, said: str) -> None:
        made = bind_marketplace(principal=cast.alice, slug="skills", url=url)
        hook = Hook(cast.alice, made.marketplace_id)
        page = self.page(cast, hook)[2]
        assert said in page
        assert made.webhook_url in page
        assert made.webhook_secret not in page

    def test_a_new_secret_is_shown_once(self, cast: Cast, github: FakeGitHub) -> None:
        hook = bind(cast, github)
        former = hook.secret
        browser, own, page = self.page(cast, hook, signing_token_secret="")
        assert hook.secret != former
        assert hook.secret in page
        assert hook.secret not in browser.get(f"{own}webhook/").content.decode()
        token = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
        assert self.page(cast, hook, signing_token_secret=token)[2] == own
        assert hook.secret == token
        page = self.page(cast, hook, signing_token_secret="whsec_typo")[2]
        assert "This is no signing token of GitLab" in page
        assert "whsec_typo" not in page
