"""The pages on which an administrator chooses what a bound repository serves."""

from dataclasses import replace
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from marketplaces.models import Trigger
from marketplaces.services import catalog, queue, sync
from marketplaces.services.worker import Worker
from skillport.principal import Door
from tests.cast import Cast
from tests.marketplaces.test_repository_pages import said
from tests.publishing import publish, sync_now
from tests.repositories import SMALL, NewRepository, Repository, skill
from tests.signing_in import browser_of

MORE = {**SMALL, "plugins/tools/skills/third/SKILL.md": skill("third")}


@pytest.fixture
def repository(new_repository: NewRepository) -> Repository:
    return new_repository(SMALL)


@pytest.fixture
def served(cast: Cast, repository: Repository, worker: Worker) -> UUID:
    return publish(cast.alice, repository, worker)


@pytest.fixture
def alice(cast: Cast) -> Client:
    return browser_of(replace(cast.alice, door=Door.PAGE, confirmed_at=timezone.now()))


def names(cast: Cast) -> list[str]:
    return [one.name for one in catalog.list_skills(principal=cast.bob).skills]


def test_the_settings_show_what_is_and_say_what_follows(alice: Client, served: UUID) -> None:
    own = f"/acme/settings/marketplaces/{served}/"
    form = alice.get(f"{own}edit/").content.decode()
    assert '<option value="600" selected>every 10 minutes</option>' in form
    given = {"branch": "", "folder": "", "poll_seconds": 3600, "keep_days": 7}
    assert "Saved." in said(alice.post(f"{own}edit/", given, follow=True))
    assert '<option value="3600" selected>' in alice.get(f"{own}edit/").content.decode()
    again = said(alice.post(f"{own}edit/", {**given, "folder": "a//b"}))
    assert "Write the folder as it stands in the repository" in again
    assert "A sync is on its way" not in again


def test_a_kept_snapshot_is_served_by_its_button(
    cast: Cast, alice: Client, repository: Repository, served: UUID, worker: Worker
) -> None:
    own = f"/acme/settings/marketplaces/{served}/"
    repository.commit(MORE, message="Add a third")
    sync_now(cast.alice, served, worker)
    assert "Add a third" in said(alice.get(f"{own}snapshots/"))
    assert "It is served now." in said(alice.post(f"{own}pin/1/", follow=True))
    assert names(cast) == ["hello", "secret"]
    assert "New commits of the branch are not served." in said(alice.get(own))
    assert "A sync is on its way." in said(alice.post(f"{own}unpin/", follow=True))
    sync_now(cast.alice, served, worker)
    assert names(cast) == ["hello", "secret", "third"]
    assert "Give the whole id of the commit" in said(alice.post(f"{own}pin/", {"commit": "main"}))
    assert "is on its way" in said(alice.post(f"{own}pin/", {"commit": "1" * 40}, follow=True))


def test_syncs_are_paused_and_resumed_by_buttons(cast: Cast, alice: Client, served: UUID) -> None:
    own = f"/acme/settings/marketplaces/{served}/"
    assert "Syncs are paused" in said(alice.post(f"{own}pause/", follow=True))
    shown = alice.get(own).content.decode()
    assert f'action="{own}sync/"' not in shown
    assert "Resume them first." in said(alice.post(f"{own}sync/", follow=True))
    resumed = said(alice.post(f"{own}resume/", follow=True))
    assert "A sync is on its way." in resumed
    assert "Syncs are paused" not in resumed


def test_a_marketplace_is_deleted_once_its_name_was_typed_and_kept_by_a_button(
    cast: Cast, alice: Client, served: UUID
) -> None:
    own = f"/acme/settings/marketplaces/{served}/"
    assert "Write the marketplace's name" in said(
        alice.post(f"{own}delete/", {"confirmation": "skill"})
    ).replace("&#x27;", "'")
    assert names(cast) == ["hello", "secret"]
    gone = said(alice.post(f"{own}delete/", {"confirmation": "skills"}, follow=True))
    assert "Nothing of it is served, and all of it is deleted" in gone
    assert names(cast) == []
    assert "It is served again." in said(alice.post(f"{own}keep/", follow=True))
    assert names(cast) == ["hello", "secret"]


def test_what_needs_a_person_is_said_with_what_to_do(
    cast: Cast, alice: Client, repository: Repository, served: UUID, worker: Worker
) -> None:
    own = f"/acme/settings/marketplaces/{served}/"
    bad = repository.commit({**SMALL, ".claude-plugin/marketplace.json": "{"})
    for _ in range(3):
        run = queue.request_sync(
            organization=cast.acme, marketplace_id=served, trigger=Trigger.POLL, actor=cast.alice
        )
        sync.run(organization_id=cast.acme.pk, sync_run_id=run, worker=worker)
    shown = said(alice.get(own))
    assert f"Commit {bad[:12]} failed three times and is left alone." in shown
    assert "Try again" in shown
    assert "needs you" in said(alice.get("/acme/settings/marketplaces/"))
