"""Syncs that remember what was planned before: what they publish is what a sync that remembers nothing would publish."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from marketplaces.manifest import remembered
from marketplaces.manifest.remembered import nothing_remembered
from marketplaces.models import Marketplace, PluginListing, SkillListing, SyncFinding, SyncRun
from marketplaces.services import pinning, sync
from marketplaces.services.storing import Stored
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast
from tests.collecting import collect_all, damage, let_time_pass
from tests.marketplaces.edits import commits
from tests.publishing import bind, publish, sync_now
from tests.repositories import Executable, NewRepository, marketplace, plugin, skill

TWO = {
    ".claude-plugin/marketplace.json": marketplace("one", "two"),
    **plugin("one", alpha=skill("alpha"), beta=skill("beta")),
    **plugin("two", gamma=skill("gamma"), delta="---\nname: [\n---\n"),
    "plugins/one/skills/alpha/run.sh": Executable(b"#!/bin/sh\n"),
    "elsewhere/skills/lost/SKILL.md": skill("lost"),
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give how many files each reading of a commit has planned to serve, and so has looked for."""
    counts: list[int] = []
    store: Callable[..., Stored] = vars(sync)["store_blobs"]

    def counting(*given: Any) -> Stored:
        counts.append(len(given[1]))
        return store(*given)

    monkeypatch.setattr(sync, "store_blobs", counting)
    return counts


def listed(cast: Cast, marketplace_id: UUID) -> object:
    """Give all that the newest snapshot lists."""
    of_release = ("release__digest", "version", "author_version", "description", "about", "first_number")
    with within(cast.acme):
        plugins = PluginListing.objects.for_organization(cast.acme).filter(marketplace_id=marketplace_id)
        skills = SkillListing.objects.for_organization(cast.acme).filter(marketplace_id=marketplace_id)
        return [
            *plugins.filter(end_number=None)
            .order_by("plugin__name")
            .values("plugin__name", "root", "refused_files", *of_release),
            *skills.filter(end_number=None)
            .order_by("skill__plugin__name", "skill__name")
            .values("skill__plugin__name", "skill__name", "folder", *of_release),
        ]


def found(cast: Cast, run: SyncRun) -> list[tuple[str, ...]]:
    with within(cast.acme):
        rows = SyncFinding.objects.for_organization(cast.acme).filter(sync_run=run).order_by("id")
        return list(rows.values_list("severity", "code", "path", "reason", "remedy"))


def read_again(cast: Cast, marketplace_id: UUID, worker: Worker) -> SyncRun:
    """Sync once more, as if something had become known of external plugins: the same commit is read again."""
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).filter(pk=marketplace_id).update(external_outcome=b"")
    return sync_now(cast.alice, marketplace_id, worker)


def check_against_a_plan_from_nothing(
    cast: Cast, marketplace_id: UUID, worker: Worker, run: SyncRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan the commit that was just synced once more from nothing: it says the same, so nothing is published."""
    before = listed(cast, marketplace_id)
    with monkeypatch.context() as patch:
        patch.setattr(sync, "plans_of", lambda _: nothing_remembered)
        again = read_again(cast, marketplace_id, worker)
    expected = "unchanged" if run.state == "succeeded" else run.state
    assert (again.state, again.error_code) == (expected, run.error_code)
    assert found(cast, again) == found(cast, run)
    assert listed(cast, marketplace_id) == before


@pytest.mark.parametrize("seed", [101, 102])
def test_a_series_of_commits_publishes_the_same_as_plans_from_nothing(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    history = commits(seed, 6)
    repository = new_repository(next(history))
    marketplace_id = publish(cast.alice, repository, worker)
    for tree in history:
        repository.commit(tree)
        run = sync_now(cast.alice, marketplace_id, worker)
        check_against_a_plan_from_nothing(cast, marketplace_id, worker, run, monkeypatch)
    assert damage(cast.acme) == []


def test_only_the_files_of_plugins_that_changed_are_looked_at(
    cast: Cast, new_repository: NewRepository, worker: Worker, read: list[int]
) -> None:
    repository = new_repository(TWO)
    marketplace_id = publish(cast.alice, repository, worker)
    repository.commit({**TWO, "plugins/two/skills/gamma/notes.md": "new\n"})
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, read) == ("succeeded", [5, 3])
    assert {code for _, code, *_ in found(cast, run)} == {"frontmatter_invalid", "skill_not_listed"}
    with within(cast.acme):
        snapshot = Marketplace.objects.for_organization(cast.acme).get(pk=marketplace_id).current_snapshot
        assert snapshot is not None
        assert (snapshot.plugin_count, snapshot.skill_count) == (2, 3)


def test_a_plugin_that_goes_and_comes_back_is_served_again(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(TWO)
    marketplace_id = publish(cast.alice, repository, worker)
    for catalog in (marketplace("two"), marketplace("two", "one"), marketplace("one")):
        repository.commit({**TWO, ".claude-plugin/marketplace.json": catalog})
        run = sync_now(cast.alice, marketplace_id, worker)
        assert run.state == "succeeded"
        check_against_a_plan_from_nothing(cast, marketplace_id, worker, run, monkeypatch)


def test_another_release_of_skillport_plans_everything_anew_and_publishes_nothing(
    cast: Cast,
    new_repository: NewRepository,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    read: list[int],
) -> None:
    marketplace_id = publish(cast.alice, new_repository(TWO), worker)
    read_again(cast, marketplace_id, worker)
    before = listed(cast, marketplace_id)
    monkeypatch.setattr(remembered, "_edition", lambda: "another release")
    assert read_again(cast, marketplace_id, worker).state == "unchanged"
    assert listed(cast, marketplace_id) == before
    read_again(cast, marketplace_id, worker)
    assert read == [5, 0, 5, 0], "all, nothing, all by other rules, and nothing by the same ones"


def test_a_plan_that_is_forgotten_while_the_commit_is_read_is_made_anew(
    cast: Cast,
    new_repository: NewRepository,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    read: list[int],
) -> None:
    repository = new_repository(TWO)
    marketplace_id = publish(cast.alice, repository, worker)
    repository.commit({**TWO, "plugins/two/skills/gamma/notes.md": "new\n"})
    store: Callable[..., Stored] = vars(sync)["store_blobs"]

    def forget_then_store(*given: Any) -> Stored:
        with within(cast.acme):
            PluginListing.objects.for_organization(cast.acme).update(fingerprint=None, outcome=None)
        return store(*given)

    monkeypatch.setattr(sync, "store_blobs", forget_then_store)
    run = sync_now(cast.alice, marketplace_id, worker)
    assert run.state == "succeeded"
    assert read == [5, 3, 6], "first what had changed, then everything"
    check_against_a_plan_from_nothing(cast, marketplace_id, worker, run, monkeypatch)


def test_what_was_collected_after_going_back_is_not_remembered(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin's own listing began with the snapshot that is kept; the skill's with the one that is collected."""
    alice = replace(cast.alice, confirmed_at=timezone.now())
    one = {"name": "one", "source": "./plugins/one", "strict": False}
    catalogs = [marketplace({**one, "skills": paths}) for paths in (["./skills/alpha"], ["./skills/beta"])]
    repository = new_repository({**TWO, ".claude-plugin/marketplace.json": catalogs[0]})
    marketplace_id = publish(cast.alice, repository, worker)
    newest = {**TWO, ".claude-plugin/marketplace.json": catalogs[1]}
    repository.commit(newest)
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    pinning.serve_snapshot(principal=alice, marketplace_id=marketplace_id, number=1)
    let_time_pass(cast.acme)
    assert collect_all(cast.acme).snapshots == 1
    pinning.unpin(principal=alice, marketplace_id=marketplace_id)
    repository.commit({**newest, "README.md": "More.\n"})
    run = sync_now(cast.alice, marketplace_id, worker)
    assert run.state == "succeeded"
    assert damage(cast.acme) == []
    check_against_a_plan_from_nothing(cast, marketplace_id, worker, run, monkeypatch)


def test_memory_is_of_one_marketplace(
    cast: Cast, new_repository: NewRepository, worker: Worker, read: list[int]
) -> None:
    repository = new_repository(TWO)
    publish(cast.alice, repository, worker)
    run = sync_now(cast.alice, bind(cast.alice, repository, "second"), worker)
    assert (run.state, read) == ("succeeded", [5, 5])
