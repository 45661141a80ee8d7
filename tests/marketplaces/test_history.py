"""What a run keeps of itself: its commit, what it changed, how long it took, and what it cost."""

from dataclasses import replace

from django.utils import timezone

from marketplaces.services import bound, pinning
from marketplaces.services.bound import Run
from marketplaces.services.worker import Worker
from skillport.principal import Principal
from tests.cast import Cast
from tests.publishing import bind, publish, sync_now
from tests.repositories import SMALL, Files, NewRepository, marketplace, plugin, skill


def newest(owner: Principal, marketplace_id: object) -> Run:
    return bound.list_runs(principal=owner, marketplace_id=marketplace_id)[0]  # type: ignore[arg-type]


def named(run: Run) -> list[tuple[str, str, str]]:
    assert run.changes is not None
    return [(one.what, one.name, one.was) for one in run.changes.named]


def test_a_run_keeps_its_commit_what_it_changed_and_what_it_cost(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository({})
    commit = repository.commit(SMALL, message="Begin with two\n\nAnd more.")
    marketplace_id = bind(cast.alice, repository)
    seen = repository.host.exchanges
    before = len(seen)
    sync_now(cast.alice, marketplace_id, worker)
    run = newest(cast.alice, marketplace_id)
    assert (run.commit, run.author, run.subject) == (commit, "Alice Ng", "Begin with two")
    assert named(run) == [
        ("added", "tools", ""), ("added", "tools/hello", ""), ("added", "tools/secret", "")
    ]  # fmt: skip
    assert run.changes is not None
    assert run.changes.words == "2 skills added, 1 plugin added"
    assert run.requests == len(seen) - before
    assert abs(run.received_bytes - sum(one.bytes_out for one in seen[before:])) < 300
    assert run.seconds is not None
    assert (run.snapshot, run.snapshot_before) == (1, None)


def test_a_run_that_finds_nothing_new_costs_one_request_and_changes_nothing(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    sync_now(cast.alice, marketplace_id, worker)
    run = newest(cast.alice, marketplace_id)
    assert (run.requests, run.received_bytes < 512, run.changes, run.snapshot) == (1, True, None, None)
    assert run.author == "Alice Ng"


def test_a_failed_run_keeps_what_it_cost(cast: Cast, new_repository: NewRepository, worker: Worker) -> None:
    repository = new_repository({"README.md": "Nothing here.\n"})
    marketplace_id = bind(cast.alice, repository)
    before = len(repository.host.exchanges)
    sync_now(cast.alice, marketplace_id, worker)
    run = newest(cast.alice, marketplace_id)
    assert (run.state, run.requests) == ("failed", len(repository.host.exchanges) - before)
    assert run.received_bytes > 0


def test_skills_are_told_as_added_changed_removed_and_renamed(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    def of_tools(**skills: str) -> Files:
        return {".claude-plugin/marketplace.json": marketplace("tools"), **plugin("tools", **skills)}

    # The folder is the skill's name where its own file says none.
    plain = "---\ndescription: Does something useful when asked.\n---\n\nDo it.\n"
    one, other = skill("one"), skill("other")
    repository = new_repository(of_tools(one=one, other=other, before=plain, same=skill("same")))
    marketplace_id = publish(cast.alice, repository, worker)
    repository.commit(
        of_tools(one=skill("one", body="Do it well.\n"), after=plain, new=skill("new"), same=skill("same"))
    )
    sync_now(cast.alice, marketplace_id, worker)
    run = newest(cast.alice, marketplace_id)
    assert named(run) == [
        ("changed", "tools", ""), ("renamed", "tools/after", "tools/before"), ("added", "tools/new", ""),
        ("changed", "tools/one", ""), ("removed", "tools/other", ""),
    ]  # fmt: skip
    assert run.changes is not None
    assert run.changes.words == (
        "1 skill added, 1 skill changed, 1 skill removed, 1 skill renamed, 1 plugin changed"
    )


def test_a_plugin_is_renamed_by_the_repositorys_own_word_and_its_skills_with_it(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(
        {".claude-plugin/marketplace.json": marketplace("old"), **plugin("old", one=skill("one"))}
    )
    marketplace_id = publish(cast.alice, repository, worker)
    told = marketplace("new").replace(
        '"plugins"', '"renames": {"old": "new", "gone": null, "a/b": "c"}, "plugins"'
    )
    repository.commit(
        {".claude-plugin/marketplace.json": told, **plugin("new", one=skill("one", body="And new words.\n"))}
    )
    sync_now(cast.alice, marketplace_id, worker)
    assert named(newest(cast.alice, marketplace_id)) == [
        ("renamed", "new", "old"), ("renamed", "new/one", "old/one")
    ]  # fmt: skip


def test_after_a_roll_back_a_run_is_compared_with_what_was_served(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    alice = replace(cast.alice, confirmed_at=timezone.now())
    repository = new_repository(SMALL)
    marketplace_id = publish(alice, repository, worker)
    third = {**SMALL, "plugins/tools/skills/third/SKILL.md": skill("third")}
    repository.commit(third)
    sync_now(alice, marketplace_id, worker)
    pinning.serve_snapshot(principal=alice, marketplace_id=marketplace_id, number=1)
    repository.commit({**third, "README.md": "Not listed.\n"})
    pinning.unpin(principal=alice, marketplace_id=marketplace_id)
    sync_now(alice, marketplace_id, worker)
    run = newest(alice, marketplace_id)
    assert named(run) == [("changed", "tools", ""), ("added", "tools/third", "")]
    assert (run.snapshot, run.snapshot_before) == (3, 1)
