"""The GitHub App of a repository on pages and over REST, and the webhook that it registers, up to the push that arrives."""

import html
import logging
import re
from typing import Any

import httpx2
import pytest
from django.test import Client

from marketplaces.models import Marketplace
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast, key_of, make_cast
from tests.connector.rest import call, code_of
from tests.marketplaces.providers.emulated_github import (
    APP,
    HOOKS_APP,
    INSTALLATION,
    OTHER,
    OWN,
    PERSONAL,
    EmulatedGitHub,
    given,
)
from tests.marketplaces.webhooks.sending import Hook
from tests.publishing import sync_now
from tests.running import Running
from tests.signing_in import browser_of
from tests.waiting import until

ROOT = "/acme/settings/marketplaces/"


@pytest.fixture
def cast(live: Running, no_other_worker: None) -> Cast:
    return make_cast()


@pytest.fixture
def alice(cast: Cast) -> Client:
    return browser_of(cast.alice)


def row_of(cast: Cast) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get()


def served(cast: Cast, worker: Worker) -> Marketplace:
    """Give the marketplace after a sync that published."""
    run = sync_now(cast.alice, row_of(cast).pk, worker)
    assert run.state in {"succeeded", "unchanged"}, run.error_message
    return row_of(cast)


def said(answer: Any) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def entered(emulated: EmulatedGitHub, key: str, app_id: str = APP, name: str = OWN) -> dict[str, str]:
    """Give what somebody types into the form for Apps."""
    return {"by": "app", "url": emulated.url_of(name), "app_id": app_id, "credential_secret": key}


def test_the_pages_ask_for_an_app_check_it_and_show_its_fingerprint(
    cast: Cast, alice: Client, emulated: EmulatedGitHub, keys: dict[str, str], worker: Worker
) -> None:
    assert "?by=app" in alice.get(f"{ROOT}bind/").content.decode()
    assert "Private key" in said(alice.get(f"{ROOT}bind/?by=app"))
    wrong = alice.post(f"{ROOT}bind/", entered(emulated, keys["another"]))
    assert wrong.status_code == 422
    assert "App id or client id : GitHub does not accept this App id with this private key." in said(wrong)
    assert "BEGIN RSA PRIVATE KEY-----\n" not in wrong.content.decode()
    checked = alice.post(f"{ROOT}check/", entered(emulated, keys[APP]))
    assert f"App is installed for the repository : passed Installation {INSTALLATION}" in said(checked)
    bound = alice.post(f"{ROOT}bind/", entered(emulated, keys[APP]))
    assert bound.status_code == 200
    row = served(cast, worker)
    page = alice.get(f"{ROOT}{row.pk}/")
    assert f"GitHub App {APP} , installation {INSTALLATION} . Its tokens are made" in said(page)
    assert row.credential_fingerprint in said(page)
    again = alice.get(f"{ROOT}{row.pk}/credential/")
    assert "Replace the GitHub App's key" in said(again)
    assert f'value="{APP}"' in again.content.decode()
    refused = alice.post(f"{ROOT}{row.pk}/credential/", entered(emulated, keys["another"]))
    assert refused.status_code == 422
    assert row_of(cast).credential.open() == keys[APP].strip()
    other = {**entered(emulated, keys[APP], HOOKS_APP), "installation_id": str(INSTALLATION + 3)}
    assert alice.post(f"{ROOT}{row.pk}/credential/", other).status_code == 302
    assert served(cast, worker).app_id == HOOKS_APP
    for answer in (wrong, checked, bound, page, again, refused):
        for secret in (keys[APP].strip(), keys["another"].strip(), *emulated.minted):
            assert secret not in html.unescape(answer.content.decode())


def test_rest_does_what_the_pages_do(
    http: httpx2.Client,
    cast: Cast,
    emulated: EmulatedGitHub,
    keys: dict[str, str],
    worker: Worker,
    caplog: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    key = key_of(cast.alice)
    app: dict[str, Any] = {"app_id": APP, "private_key": keys[APP]}
    both = {"url": emulated.url_of(OWN), "github_app": app, "credential": "a-token"}
    assert code_of(call(http, key, "POST", "marketplaces", both))[0] == 400
    other = {"url": emulated.url_of(OTHER), "github_app": {**app, "installation_id": INSTALLATION}}
    steps = call(http, key, "POST", "marketplaces/check", other).json()["steps"]
    assert (steps[-1]["name"], steps[-1]["code"]) == ("installation", "github_app_not_for_repository")
    assert code_of(call(http, key, "POST", "marketplaces", other)) == (422, "github_app_not_for_repository")
    wanted = {"url": emulated.url_of(OWN), "github_app": app}
    made = call(http, key, "POST", "marketplaces", wanted)
    assert made.status_code == 201
    row = served(cast, worker)
    shown = call(http, key, "GET", f"marketplaces/{row.pk}")
    assert shown.json()["github_app"] == {
        "app_id": APP,
        "installation_id": INSTALLATION,
        "key_fingerprint": row.credential_fingerprint,
    }
    assert shown.json()["credential_expiry"] == {
        "known": True, "expires_at": None, "days_left": None, "asked_at": shown.json()["credential_expiry"]["asked_at"],
    }  # fmt: skip
    another = {"github_app": {"app_id": APP, "private_key": keys["another"]}}
    refused = call(http, key, "PUT", f"marketplaces/{row.pk}/credential", another)
    assert code_of(refused) == (422, "github_app_unknown")
    replaced = call(http, key, "PUT", f"marketplaces/{row.pk}/credential", {"github_app": app})
    assert replaced.status_code == 202
    served(cast, worker)
    gitlab = call(http, key, "PATCH", f"marketplaces/{row.pk}", {"provider": "gitlab"})
    assert code_of(gitlab) == (422, "github_app_needs_github")
    for secret in (*keys.values(), *emulated.minted):
        line = secret.splitlines()[min(1, len(secret.splitlines()) - 1)]
        for text in (made.text, shown.text, refused.text, caplog.text):
            assert line not in text


def test_a_webhook_is_registered_with_a_token_for_that_alone(
    cast: Cast, alice: Client, emulated: EmulatedGitHub, keys: dict[str, str], worker: Worker
) -> None:
    made = bind_marketplace(
        principal=cast.alice,
        slug="skills",
        url=emulated.url_of(OWN),
        credential=given(keys[HOOKS_APP], HOOKS_APP, INSTALLATION + 3),
    )
    kept = served(cast, worker).minted_token.open()
    for _ in range(2):
        alice.post(f"{ROOT}{made.marketplace_id}/webhook/register/")
    assert [asked.method for asked in emulated.asked if "/hooks" in asked.path] == [
        "GET", "POST", "GET", "PATCH",
    ]  # fmt: skip
    rights = [told["permissions"] for told in emulated.token_log()]
    assert rights == [{"contents": "read"}, {"repository_hooks": "write"}, {"repository_hooks": "write"}]
    assert row_of(cast).minted_token.open() == kept, "what may write is not kept"
    assert emulated.deliver() == [202]
    assert Hook(cast.alice, made.marketplace_id).health.last_delivery_event == "push"
    served(cast, worker)


def test_a_push_that_github_signs_by_itself_begins_a_sync(
    cast: Cast, alice: Client, emulated: EmulatedGitHub, worker: Worker
) -> None:
    """Registered with the token of somebody who administrates the repository; nobody here wrote what delivers."""
    made = bind_marketplace(
        principal=cast.alice, slug="skills", url=emulated.url_of(OWN), credential=Credential(PERSONAL)
    )
    served(cast, worker)
    alice.post(f"{ROOT}{made.marketplace_id}/webhook/register/")
    hook = Hook(cast.alice, made.marketplace_id)
    assert hook.waiting == 0
    emulated.push(OWN)
    until(lambda: hook.waiting == 1)
    assert hook.health.last_delivery_event == "push"
    assert hook.health.last_refusal_at is None
    served(cast, worker)
