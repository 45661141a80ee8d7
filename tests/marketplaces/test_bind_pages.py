"""The page on which a repository is checked and bound, with script and without."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from marketplaces.models import Marketplace
from skillport.outbound import Origin
from skillport.principal import Door
from skillport.scoping import within
from tests.browser import Page
from tests.cast import Cast, make_cast
from tests.marketplaces.git.hosts import FakeHost, always
from tests.repositories import SMALL, NewRepository, skill
from tests.running import Running
from tests.signing_in import browser_of, cookie_of
from tests.waiting import until

ROOT = "/acme/settings/marketplaces/"


@pytest.fixture
def cast(live: Running) -> Cast:
    made = make_cast()
    return replace(made, alice=replace(made.alice, door=Door.PAGE, confirmed_at=timezone.now()))


@pytest.fixture
def alice(cast: Cast) -> Client:
    return browser_of(cast.alice)


def said(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_without_script_a_check_is_the_page_that_comes_after_it(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository({"skills/hello/SKILL.md": skill("hello")})
    given = {"url": repository.url, "credential_secret": repository.token}
    answer = alice.post(f"{ROOT}check/", given)
    assert answer.status_code == 200
    page = said(answer)
    assert "Nothing was saved" in page
    assert "Marketplace is found : look at it There is no marketplace.json" in page
    assert page.index("Address is allowed") < page.index("Findings")
    assert repository.token not in answer.content.decode()
    wrong = alice.post(f"{ROOT}check/", {**given, "credential_secret": "wrong"})
    assert wrong.status_code == 422
    assert "Make another token" in said(wrong)
    assert "failed" not in said(wrong).partition("Repository can be read")[2], (
        "what was not reached did not fail"
    )
    with within(cast.acme):
        assert not Marketplace.objects.for_organization(cast.acme).exists()


def test_without_script_the_page_of_what_was_bound_has_the_check_too(
    alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    answer = alice.post(f"{ROOT}bind/", {"url": repository.url, "credential_secret": repository.token})
    assert answer.status_code == 200
    assert "Skills : passed 2 skills" in said(answer)


def test_what_would_publish_nothing_is_not_bound(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository({"README.md": "x"})
    answer = alice.post(f"{ROOT}bind/", {"url": repository.url, "credential_secret": repository.token})
    assert answer.status_code == 422
    assert "skills/<name>/SKILL.md" in html.unescape(said(answer))
    with within(cast.acme):
        assert not Marketplace.objects.for_organization(cast.acme).exists()


def test_a_repository_that_has_moved_is_bound_where_somebody_says_so(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "https://new.example/acme/skills.git"
    with FakeHost(always(301, Location=f"{to}/git-upload-pack")) as host:
        allowed = settings.OUTBOUND_ALLOWED_ORIGINS | {Origin.parse(host.url)}
        monkeypatch.setattr(settings, "OUTBOUND_ALLOWED_ORIGINS", allowed)
        given = {"url": f"{host.url}/acme/skills.git", "credential_secret": "a-token"}
        answer = alice.post(f"{ROOT}bind/", given)
    assert answer.status_code == 422
    assert f"It has moved to {to}" in said(answer)
    link = re.search(r'href="([^"]+\?url=[^"]+)"', answer.content.decode())
    assert link
    assert f'value="{to}"' in alice.get(link[1]).content.decode()


def wait_for_the_end(page: Page) -> None:
    """Wait until the check has ended: meanwhile its buttons do nothing."""
    until(
        lambda: page.evaluate(
            "![...document.querySelectorAll('form[data-check] button')].some(one => one.disabled)"
        )
    )


def test_in_a_browser_each_step_shows_as_it_ends_and_what_was_typed_stays(
    cast: Cast, page: Page, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    page.bring(settings.SITE_URL, settings.SESSION_COOKIE_NAME, cookie_of(cast.alice.user_id))
    page.open(f"{settings.SITE_URL}{ROOT}bind/")
    page.type("url", repository.url)
    page.type("credential_secret", "wrong-")
    page.click("Only check")
    page.wait_for("Make another token")
    wait_for_the_end(page)
    assert page.evaluate("document.querySelectorAll('.step.ok').length") == 2
    assert page.evaluate("document.querySelectorAll('.step.waiting').length") == 7
    page.evaluate("document.getElementsByName('credential_secret')[0].value = ''")
    page.type("credential_secret", repository.token)
    page.click("Only check")
    page.wait_for("2 skills")
    wait_for_the_end(page)
    assert page.evaluate("document.querySelectorAll('.step.ok').length") == 10
    assert page.address.endswith("/bind/")
    page.click("Check and bind")
    page.wait_for("The repository answers")
    posted = [one["url"].rpartition("/marketplaces/")[2] for one in page.asked if one["method"] == "POST"]
    assert posted == ["check/", "check/", "check/", "bind/"], "it was the page itself that told"
    assert page.complaints(settings.SITE_URL) == []
