"""What is asked for again and what is not: commits, branches, tags, folders, failures."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from marketplaces.models import ExternalSource, Trigger
from marketplaces.services import catalog
from marketplaces.services.changing import pause_syncs, resume_syncs
from marketplaces.services.external import hosts
from marketplaces.services.external.queue import ask_again, sweep_mirrors
from marketplaces.services.pinning import serve_snapshot, unpin
from marketplaces.services.worker import Worker
from skillport.demo.git_host import git
from skillport.principal import Principal
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.external.conftest import Elsewhere, MirrorAll, change, queued, source_of
from tests.marketplaces.external.test_mirroring import FAR, far, listing, names
from tests.publishing import bind, findings_of, sync_now
from tests.repositories import NewRepository, Repository, skill

Served = Callable[..., tuple[Any, Repository]]


@pytest.fixture
def served(
    cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> Served:
    """Give a function that binds a marketplace with these external plugins and brings all of them in."""

    def serve(*plugins: dict[str, object], slug: str = "skills") -> tuple[Any, Repository]:
        repository = new_repository(listing(*plugins))
        marketplace_id = bind(cast.alice, repository, slug)
        hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[elsewhere.name])
        sync_now(cast.alice, marketplace_id, worker)
        mirror_all(cast.alice)
        sync_now(cast.alice, marketplace_id, worker)
        return marketplace_id, repository

    return serve


def test_a_pinned_commit_is_fetched_once_for_all_marketplaces_and_never_again(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    pinned = git("rev-parse", "main", folder=there.folder)
    there.commit({"README.md": "Something else by now.\n"})
    marketplace_id, _ = served(far(there, sha=pinned), far(there, "again", ref="main", sha=pinned))
    asked = len(elsewhere.asked_for(there))
    assert 0 < asked <= 3
    assert "reach" in names(cast.bob)
    served(far(there, sha=pinned), slug="second")
    assert sync_now(cast.alice, marketplace_id, worker).state == "unchanged"
    assert mirror_all(cast.alice) == 0
    assert len(elsewhere.asked_for(there)) == asked
    assert catalog.find_skill(principal=cast.bob, name="second/far/reach")


def test_a_branch_is_followed_for_one_request_and_a_change_arrives(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    there.commit(FAR, branch="stable")
    marketplace_id, _ = served(far(there, ref="stable"))
    before = len(elsewhere.asked_for(there))
    sync_now(cast.alice, marketplace_id, worker)
    assert (mirror_all(cast.alice), len(elsewhere.asked_for(there))) == (1, before + 1)
    there.commit({**FAR, "skills/more/SKILL.md": skill("more")}, branch="stable")
    assert sync_now(cast.alice, marketplace_id, worker).state == "unchanged"
    mirror_all(cast.alice)
    assert queued(cast.alice) == ["mirror"]
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    assert names(cast.bob) == ["hello", "more", "reach", "secret"]
    listed = catalog.find_skill(principal=cast.bob, name="skills/far/more")
    assert listed.version == "2.0.0", "the plugin's, as nobody had this skill before"


@pytest.mark.parametrize("annotated", [True, False])
def test_a_tag_is_followed_too(cast: Cast, served: Served, elsewhere: Elsewhere, annotated: bool) -> None:
    there = elsewhere.public(FAR)
    commit = git("rev-parse", "main", folder=there.folder)
    people = {f"GIT_COMMITTER_{what}": value for what, value in (("NAME", "A"), ("EMAIL", "a@x.example"))}
    kind = ("-a", "-m", "x") if annotated else ()
    git("tag", *kind, "v1", commit, folder=there.folder, environment=people)
    there.commit({"README.md": "Later.\n"})
    served(far(there, ref="v1"))
    assert source_of(cast.alice, there).commit == commit
    assert "reach" in names(cast.bob)


def test_only_the_folders_that_are_listed_are_mirrored_and_one_more_is_fetched_when_it_is(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public({
        "a/skills/one/SKILL.md": skill("one"), "a2/skills/x/SKILL.md": skill("x"), "b/skills/two/SKILL.md": skill("two"),
        "large.bin": b"x" * 100_000,
    })  # fmt: skip
    sha = git("rev-parse", "main", folder=there.folder)

    def part(folder: str) -> dict[str, object]:
        source = {"source": "git-subdir", "url": there.url, "path": folder, "sha": sha}
        return {"name": folder, "source": source}

    marketplace_id, repository = served(part("a"))
    source = source_of(cast.alice, there)
    assert (source.file_count, source.folders) == (1, ["a"])
    assert names(cast.bob) == ["hello", "one", "secret"]
    repository.commit(listing(part("a"), part("b")))
    run = sync_now(cast.alice, marketplace_id, worker)
    assert findings_of(cast.alice, run).keys() == {"external_waiting"}
    assert "one" in names(cast.bob), "what is there stays"
    assert mirror_all(cast.alice) == 1
    sync_now(cast.alice, marketplace_id, worker)
    assert names(cast.bob) == ["hello", "one", "secret", "two"]


def test_one_that_fails_says_why_and_holds_nobody_up(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there, hidden, moved = elsewhere.public(FAR), elsewhere.private(FAR), elsewhere.public(FAR)
    marketplace_id, _ = served(
        far(there), far(hidden, "hidden"), far(moved, "gone", sha="0" * 40), far(moved, "none", ref="no-such")
    )
    found = hosts.get_external_sources(principal=cast.alice, marketplace_id=marketplace_id).sources
    assert {one.plugin: one.error_code for one in found} == {
        "far": "", "hidden": "external_credential_needed", "gone": "external_commit_missing", "none": "branch_not_found"
    }  # fmt: skip
    assert "reach" in names(cast.bob)
    elsewhere.host.open_to_everybody(hidden.name)
    sync_now(cast.alice, marketplace_id, worker)
    assert mirror_all(cast.alice) == 4, "a person's wish does not wait, and branches are followed"
    sync_now(cast.alice, marketplace_id, worker)
    assert catalog.find_skill(principal=cast.bob, name="skills/hidden/reach")


def test_what_was_mirrored_is_served_on_when_its_host_fails(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id, _ = served(far(there))
    there.folder.rename(there.folder.with_suffix(".away"))
    try:
        sync_now(cast.alice, marketplace_id, worker)
        mirror_all(cast.alice)
        run = sync_now(cast.alice, marketplace_id, worker)
        assert run.state == "unchanged"
        assert findings_of(cast.alice, run).keys() == {"external_stale"}
        assert "reach" in names(cast.bob)
    finally:
        there.folder.with_suffix(".away").rename(there.folder)


def test_polls_ask_again_after_a_while_and_failures_rest_longer_each_time(
    cast: Cast, served: Served, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there, hidden = elsewhere.public(FAR), elsewhere.private(FAR)
    marketplace_id, _ = served(far(there), far(hidden, "hidden"))
    mirror_all(cast.alice)

    def poll() -> int:
        about = {"organization_id": cast.alice.organization_id, "marketplace_id": marketplace_id}
        ask_again(**about, trigger=Trigger.POLL)
        return mirror_all(cast.alice)

    assert poll() == 0, "both were just asked for"
    change(cast.alice, there, asked_at=Now() - timedelta(minutes=6))
    assert poll() == 1
    failed = source_of(cast.alice, hidden)
    assert failed.not_before
    change(cast.alice, hidden, not_before=Now() - timedelta(seconds=1))
    assert poll() == 1
    again = source_of(cast.alice, hidden)
    assert again.failures == failed.failures + 1
    assert again.not_before
    assert again.asked_at
    assert failed.asked_at
    assert again.not_before - again.asked_at > 1.5 * (failed.not_before - failed.asked_at)


def test_what_an_administrator_went_back_to_is_not_undone_by_what_arrives(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id, _ = served(far(there))
    serve_snapshot(principal=cast.alice, marketplace_id=marketplace_id, number=1)
    assert "reach" not in names(cast.bob)
    there.commit({**FAR, "README.md": "Newer.\n"})
    for _ in range(2):
        assert sync_now(cast.alice, marketplace_id, worker).state == "unchanged"
        mirror_all(cast.alice)
    assert "reach" not in names(cast.bob)
    unpin(principal=cast.alice, marketplace_id=marketplace_id)
    sync_now(cast.alice, marketplace_id, worker)
    assert "reach" in names(cast.bob)


def test_hosts_can_be_forbidden_while_syncs_are_paused(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id, _ = served(far(there))
    pause_syncs(principal=cast.alice, marketplace_id=marketplace_id)
    assert hosts.allow_hosts(principal=cast.alice, marketplace_id=marketplace_id, hosts=[]) is None
    change(cast.alice, there, state="waiting")
    assert mirror_all(cast.alice) == 0
    resume_syncs(principal=cast.alice, marketplace_id=marketplace_id)
    sync_now(cast.alice, marketplace_id, worker)
    assert "reach" not in names(cast.bob)


def test_what_nobody_lists_any_more_is_not_asked_for_and_goes_a_day_later(
    cast: Cast, served: Served, worker: Worker, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    marketplace_id, repository = served(far(there))
    repository.commit(listing())
    sync_now(cast.alice, marketplace_id, worker)
    mirror_all(cast.alice)
    assert "reach" not in names(cast.bob)
    sweep_mirrors()
    assert source_of(cast.alice, there).unused_since, "kept for a while: the entry may come back"
    asked = len(elsewhere.asked_for(there))
    change(cast.alice, there, unused_since=Now() - timedelta(hours=25), state="waiting")
    assert (mirror_all(cast.alice), len(elsewhere.asked_for(there))) == (0, asked)
    sweep_mirrors()
    assert _sources(cast.alice) == []
    repository.commit(listing(far(there)))
    sync_now(cast.alice, marketplace_id, worker)
    assert mirror_all(cast.alice) == 1
    sync_now(cast.alice, marketplace_id, worker)
    assert "reach" in names(cast.bob)


def _sources(owner: Principal) -> list[str]:
    with within(owner.organization):
        return list(ExternalSource.objects.for_organization(owner.organization).values_list("url", flat=True))
