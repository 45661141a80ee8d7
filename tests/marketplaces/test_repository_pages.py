"""The pages on which an administrator binds a repository and sees what its syncs did."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from marketplaces import progress
from marketplaces.models import Marketplace, Phase, RunState, SyncFinding, SyncRun, Trigger
from marketplaces.services import watching
from marketplaces.services.quotas import set_quota
from skillport.principal import Door, SystemActor
from skillport.scoping import within
from tests.away import database_away
from tests.browser import Page
from tests.cast import Cast, make_cast
from tests.repositories import SMALL, NewRepository
from tests.running import Running
from tests.signing_in import browser_of, cookie_of
from tests.waiting import until

ROOT = "/acme/settings/marketplaces/"
SETTINGS = {"branch": "", "folder": "", "poll_seconds": 600, "keep_days": 30}


@pytest.fixture
def cast(live: Running) -> Cast:
    made = make_cast()
    return replace(made, alice=replace(made.alice, door=Door.PAGE, confirmed_at=timezone.now()))


@pytest.fixture
def alice(cast: Cast) -> Client:
    return browser_of(cast.alice)


def said(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def bound(cast: Cast) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).select_related("current_snapshot").get()


def when_idle(cast: Cast) -> SyncRun:
    """Wait until every sync has ended, and give the newest."""

    def look() -> SyncRun | None:
        with within(cast.acme):
            runs = SyncRun.objects.for_organization(cast.acme)
            return None if runs.filter(ended_at=None).exists() else runs.latest("id")

    return until(look)  # type: ignore[return-value] # there is one


def test_a_folder_of_a_repository_is_checked_and_bound(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository({f"tools/claude/{path}": content for path, content in SMALL.items()})
    given = {"url": repository.url, "credential_secret": repository.token}
    for folder, complaint in [
        ("", "has no file .claude-plugin/marketplace.json"),
        ("tools/none", "There is no file below this marketplace"),
        ("tools/../x", "Write the folder as it stands in the repository"),
    ]:
        answer = alice.post(f"{ROOT}bind/", {**given, "folder": folder})
        assert answer.status_code == 422
        assert complaint in said(answer)
    assert alice.post(f"{ROOT}bind/", {**given, "folder": "/tools/claude/"}).status_code == 200
    when_idle(cast)
    assert bound(cast).folder == "tools/claude"
    assert "2 skills in 1 plugin" in said(alice.get(ROOT))


def test_a_repository_is_bound_in_one_form(cast: Cast, alice: Client, new_repository: NewRepository) -> None:
    assert "There is no repository yet." in said(alice.get(ROOT))
    repository = new_repository({**SMALL, "loose/SKILL.md": "---\nname: loose\n---\n"})
    answer = alice.post(f"{ROOT}bind/", {"url": repository.url, "credential_secret": repository.token})
    shown = answer.content.decode()
    assert answer.status_code == 200, said(answer)
    made = bound(cast)
    assert made.webhook_secret.open() in shown
    assert f"/hooks/{made.pk}" in shown
    assert repository.token not in shown
    run = when_idle(cast)
    assert "2 skills in 1 plugin" in said(alice.get(ROOT))
    assert "bytes of 10.0 GB, with what is kept of old snapshots" in said(alice.get(ROOT))
    assert "There is little room left." not in said(alice.get(ROOT))
    page = said(alice.get(f"{ROOT}{made.pk}/"))
    assert "2 skills in 1 plugin" in page
    assert f"…{repository.token[-4:]}" in page.replace(" ", "")
    findings = said(alice.get(f"{ROOT}{made.pk}/syncs/{run.pk}/"))
    assert "loose/SKILL.md" in findings


def test_what_may_not_be_stored_or_bound_stays_a_form_that_says_what_to_do(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    actor = SystemActor(organization_id=cast.acme.pk, what="operator")
    set_quota(organization=cast.acme, stored_bytes=100, marketplaces=1, actor=actor)
    repository = new_repository(SMALL)
    given = {"url": repository.url, "credential_secret": repository.token}
    assert alice.post(f"{ROOT}bind/", given).status_code == 200
    assert when_idle(cast).error_code == "storage_full"
    assert "ask the operator of this deployment for more" in said(alice.get(f"{ROOT}{bound(cast).pk}/"))
    answer = alice.post(f"{ROOT}bind/", given)
    assert answer.status_code == 422
    assert "This organization may bind 1 repositories, and has." in said(answer)
    set_quota(organization=cast.acme, stored_bytes=0, marketplaces=1, actor=actor)
    assert "There is little room left." in said(alice.get(ROOT))
    assert "Marketplaces 1 of 1" in said(alice.get(ROOT))


def test_what_cannot_be_read_stays_a_form_that_says_why(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    given = {"url": repository.url, "credential_secret": "wrong-token-canary"}
    answer = alice.post(f"{ROOT}bind/", given)
    assert answer.status_code == 422
    assert "does not accept this token" in said(answer)
    assert repository.url in answer.content.decode(), "what was typed is kept"
    assert "wrong-token-canary" not in answer.content.decode(), "but for the token"
    with within(cast.acme):
        assert not Marketplace.objects.for_organization(cast.acme).exists()


def test_a_failed_sync_says_why_and_a_new_token_mends_it(
    cast: Cast, alice: Client, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    alice.post(f"{ROOT}bind/", {"url": repository.url, "credential_secret": repository.token})
    when_idle(cast)
    own = f"{ROOT}{bound(cast).pk}/"
    assert alice.post(f"{own}edit/", {**SETTINGS, "branch": "gone"})["Location"] == own
    when_idle(cast)
    page = said(alice.get(own))
    assert "This repository has no branch of that name." in page
    assert "Members still get what was imported before." in page
    assert "failed" in said(alice.get(ROOT))
    assert alice.post(f"{own}edit/", SETTINGS)["Location"] == own
    assert when_idle(cast).state == "unchanged"
    assert alice.post(f"{own}credential/", {"credential_secret": "wrong"}).status_code == 422
    assert bound(cast).credential.open() == repository.token
    assert alice.post(f"{own}credential/", {"credential_secret": repository.token})["Location"] == own
    when_idle(cast)
    assert alice.post(f"{own}sync/")["Location"] == own
    assert when_idle(cast).state == "unchanged"


def test_in_a_browser_the_page_follows_the_sync_by_itself(
    cast: Cast, page: Page, new_repository: NewRepository
) -> None:
    repository = new_repository(SMALL)
    page.bring(settings.SITE_URL, settings.SESSION_COOKIE_NAME, cookie_of(cast.alice.user_id))
    page.open(f"{settings.SITE_URL}{ROOT}bind/")
    page.type("url", repository.url)
    page.type("credential_secret", repository.token)
    page.click("Check and bind")
    page.wait_for("The repository answers")
    page.click("See the sync")
    page.wait_for("2 skills in 1 plugin")
    page.click("Sync now")
    page.wait_for("Nothing new")
    assert page.complaints(settings.SITE_URL) == []


def test_in_a_browser_a_lost_connection_is_taken_up_again_and_the_end_is_not_missed(
    cast: Cast, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    with within(cast.acme):
        made = Marketplace.objects.create(
            organization=cast.acme, slug="skills", url="https://git.example/a.git"
        )
        run = SyncRun.objects.create(
            organization=cast.acme, marketplace=made, trigger=Trigger.POLL, state=RunState.RUNNING, phase=Phase.STORING,
            done=3, total=9, found=2, received_bytes=4096, leased_until=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
    page.bring(settings.SITE_URL, settings.SESSION_COOKIE_NAME, cookie_of(cast.alice.user_id))
    page.open(f"{settings.SITE_URL}{ROOT}{made.pk}/")
    page.wait_for("storing files: 3 of 9 files, 4.0 KB received, 2 findings")
    with within(cast.acme):
        SyncRun.objects.for_organization(cast.acme).filter(pk=run.pk).update(
            state=RunState.FAILED, ended_at=timezone.now(), error_message="It ended unheard."
        )
    with database_away():
        until(lambda: "A watcher could not be looked up" in caplog.text)
    page.wait_for("It ended unheard.")


def test_in_a_browser_findings_appear_while_the_sync_goes_on(cast: Cast, page: Page) -> None:
    with within(cast.acme):
        made = Marketplace.objects.create(
            organization=cast.acme, slug="skills", url="https://git.example/a.git"
        )
        run = SyncRun.objects.create(
            organization=cast.acme, marketplace=made, trigger=Trigger.POLL, state=RunState.RUNNING, phase=Phase.READING,
            leased_until=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
    page.bring(settings.SITE_URL, settings.SESSION_COOKIE_NAME, cookie_of(cast.alice.user_id))
    page.open(f"{settings.SITE_URL}{ROOT}{made.pk}/syncs/{run.pk}/")
    page.wait_for("Nothing so far.")
    page.evaluate("window.stays = true")
    with within(cast.acme):
        SyncFinding.objects.create(
            organization=cast.acme, sync_run=run, severity="error", code="skill_no_description",
            path="plugins/tools/skills/x/SKILL.md", reason="There is no description.", remedy="Write one.",
        )  # fmt: skip
        runs = SyncRun.objects.for_organization(cast.acme).filter(pk=run.pk)
        runs.update(found=1)
    for frame in watching.present_state(cast.alice):
        progress.publish(cast.acme.pk, frame)
    page.wait_for("There is no description.")
    page.wait_for("1 finding")
    assert page.evaluate("window.stays") is True, "the page was not loaded again"
    assert page.complaints(settings.SITE_URL) == []
    with within(cast.acme):
        runs.update(state=RunState.FAILED, ended_at=timezone.now(), error_message="Enough of it.")
    progress.publish(cast.acme.pk, {"sync_run": run.pk, "state": RunState.FAILED})
    page.wait_for("Enough of it.")
    page.wait_for("There is no description.")
