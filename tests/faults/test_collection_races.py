"""Collection beside imports that use content again, and beside redemptions: no blob is lost, every bundle is whole.

Once round after round with real threads on the real database, and once for each rule with the collection at exactly the
instant that the rule is for. Each of those has a twin without the rule, which loses something.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest
from django.db import connection

from connector.install import collecting as connected
from connector.install.collecting import collect
from connector.install.install_tokens import issue_install_token, redeem_install_token
from connector.models import InstallToken
from marketplaces.models import Blob, Release, RunState, SkillListing, SyncRun
from marketplaces.services import catalog, collecting, publishing, storing, sync
from marketplaces.services.queue import MOST_AT_ONCE
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.collecting import collect_all, damage, is_whole, let_time_pass
from tests.publishing import publish, sync_now
from tests.repositories import Files, NewRepository, marketplace, plugin, skill

ROUNDS = 12
SKILLS = 4


@pytest.fixture
def everybody(transactional_db: None, no_other_worker: None) -> Cast:
    return make_cast()


def content(name: str, number: int) -> Files:
    """Give a marketplace of a few skills, none of whose files is in another `number`'s."""
    skills = {
        f"{name}_{one}": skill(f"{name}-{one}", body=f"{name} {one} {number}\n") for one in range(SKILLS)
    }
    more = {f"plugins/{name}/skills/{name}-0/references/{n}.md": f"{name} {number} {n}\n" for n in range(30)}
    return {".claude-plugin/marketplace.json": marketplace(name), **plugin(name, **skills), **more}


def elsewhere(do: Callable[[], object]) -> None:
    """Do it in another thread, on a connection of its own, and wait for it."""

    def run() -> None:
        try:
            do()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


def test_round_after_round_nothing_is_lost(
    everybody: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    """They come back to content whose blobs are gone, whose blobs are just going, and whose releases are just going.

    Tokens are redeemed a round after what they are for was replaced: then nothing else holds it.
    """
    cycles = {"one": 5, "two": 4, "three": 3}
    repositories = {name: new_repository(content(name, 0)) for name in cycles}
    bound = {name: publish(everybody.alice, repositories[name], worker, name) for name in cycles}
    collected: list[collecting.Collected] = []
    held: list[str] = []
    for number in range(1, ROUNDS):
        to_redeem = held
        held = [
            issue_install_token(principal=everybody.bob, name=f"{name}-{one}").plain_secret
            for name in cycles
            for one in range(SKILLS)
        ]
        for name, cycle in cycles.items():
            repositories[name].commit(content(name, number % cycle), f"round {number}")
        let_time_pass(everybody.acme)
        collected += _round(everybody, bound, worker, to_redeem)
        assert damage(everybody.acme) == [], f"round {number}"
        for name, cycle in cycles.items():
            assert (
                _served(everybody, name)
                == content(name, number % cycle)[f"plugins/{name}/skills/{name}-1/SKILL.md"]
            )
    assert sum(one.releases for one in collected) > ROUNDS, "there was something to collect"
    assert sum(one.blobs for one in collected) > ROUNDS


def _round(
    everybody: Cast, bound: dict[str, UUID], worker: Worker, secrets: list[str]
) -> list[collecting.Collected]:
    """Import all, redeem everything and collect again and again, all at once."""
    over = threading.Event()

    def closing(do: Callable[[], object]) -> object:
        try:
            return do()
        finally:
            connection.close()

    def collect_until_over() -> list[collecting.Collected]:
        done = [collect(everybody.acme.pk)]
        while not over.is_set():
            done.append(collect(everybody.acme.pk))
        return done

    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(MOST_AT_ONCE) as importers:
        collector = pool.submit(closing, collect_until_over)
        imports = [
            importers.submit(closing, partial(sync_now, everybody.alice, pk, worker)) for pk in bound.values()
        ]
        redeemer = pool.submit(closing, lambda: [redeem_install_token(secret=secret) for secret in secrets])
        try:
            runs = [one.result() for one in imports]
            redeemed = redeemer.result()
        finally:
            over.set()
        done = collector.result()
    assert [(run.state, run.error_message) for run in runs] == [("succeeded", "")] * len(runs)  # type: ignore[attr-defined]
    assert all(is_whole(one) for one in redeemed)  # type: ignore[attr-defined]
    return done  # type: ignore[return-value]


def _served(everybody: Cast, name: str) -> str:
    found = catalog.find_skill(principal=everybody.bob, name=f"{name}-1")
    with within(everybody.acme):
        (file,) = catalog.files_of(everybody.acme.pk, found.release_id)
        return bytes(Blob.objects.for_organization(everybody.acme).get(pk=file.blob_id).content).decode()


# --- each rule at its instant, and without it ----------------------------------------------------------------------------


@pytest.fixture
def come_back(
    everybody: Cast, new_repository: NewRepository, worker: Worker
) -> Iterator[Callable[[], SyncRun]]:
    """Give a sync that brings old content back, whose release has no files and whose blobs are about to go."""
    repository = new_repository(content("one", 0))
    marketplace_id = publish(everybody.alice, repository, worker, "one")
    repository.commit(content("one", 1))
    sync_now(everybody.alice, marketplace_id, worker)
    let_time_pass(everybody.acme)
    assert collect(everybody.acme.pk).releases == SKILLS + 1
    let_time_pass(everybody.acme)
    repository.commit(content("one", 0), "Take it back")
    return lambda: sync_now(everybody.alice, marketplace_id, worker)  # type: ignore[return-value]


def collect_before_publishing(everybody: Cast, monkeypatch: pytest.MonkeyPatch) -> list[collecting.Collected]:
    """Collect once everything of the import is stored and nothing is published. Gives what went, when it has happened."""
    went: list[collecting.Collected] = []
    real = publishing.publish

    def publish_later(*given: object, **named: object) -> object:
        elsewhere(lambda: went.append(collect(everybody.acme.pk)))
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(sync, "publish", publish_later)
    return went


def test_what_an_import_has_claimed_stays_until_it_is_published(
    everybody: Cast, come_back: Callable[[], SyncRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    went = collect_before_publishing(everybody, monkeypatch)
    run = come_back()
    assert run.state == RunState.SUCCEEDED, run.error_message
    assert [one.blobs for one in went] == [0]
    assert damage(everybody.acme) == []


def test_a_claim_outlasts_two_leases_while_its_import_runs(
    everybody: Cast, come_back: Callable[[], SyncRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "CLAIM_SECONDS", 0)
    went = collect_before_publishing(everybody, monkeypatch)
    assert come_back().state == RunState.SUCCEEDED
    assert [one.blobs for one in went] == [0]


def test_without_the_claim_check_an_import_loses_its_blobs(
    everybody: Cast, come_back: Callable[[], SyncRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin. What the key of files still saves is that nothing half is served: the import fails instead."""
    monkeypatch.setattr(collecting, "CLAIM_SECONDS", -3600)
    went = collect_before_publishing(everybody, monkeypatch)
    assert come_back().state == RunState.FAILED
    assert went[0].blobs > SKILLS
    assert damage(everybody.acme) == []


def test_without_the_import_claiming_it_loses_its_blobs(
    everybody: Cast, come_back: Callable[[], SyncRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other twin: an import that only looks which blobs are there."""

    def only_look(organization_id: UUID, git_ids: list[str]) -> storing.Stored:
        with within(organization_id):
            known = Blob.objects.for_organization(organization_id).filter(git_id__in=git_ids)
            return {one.git_id: storing.StoredBlob(one.pk, bytes(one.digest)) for one in known}

    monkeypatch.setattr(storing, "_claim_known", only_look)
    collect_before_publishing(everybody, monkeypatch)
    assert come_back().state == RunState.FAILED


def test_blobs_that_went_before_the_import_looked_are_stored_again(
    everybody: Cast, come_back: Callable[[], SyncRun]
) -> None:
    assert collect(everybody.acme.pk).blobs > SKILLS
    assert come_back().state == RunState.SUCCEEDED
    assert damage(everybody.acme) == []


def test_a_release_is_not_freed_while_it_is_being_published(
    everybody: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection that begins between finding the release and listing it waits for the end of the transaction."""
    assert _collected_while_publishing(everybody, new_repository, worker, monkeypatch) == []


def test_without_the_policy_lock_a_release_that_is_being_published_loses_its_files(
    everybody: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(collecting, "lock_policy", lambda _: None)
    assert _collected_while_publishing(everybody, new_repository, worker, monkeypatch) != []


def _collected_while_publishing(
    everybody: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Bring content back whose listings are gone and whose files are not; give the damage."""
    repository = new_repository(content("one", 0))
    marketplace_id = publish(everybody.alice, repository, worker, "one")
    repository.commit(content("one", 1))
    sync_now(everybody.alice, marketplace_id, worker)
    let_time_pass(everybody.acme)
    with monkeypatch.context() as without_freeing:
        without_freeing.setattr(collecting, "_free_releases", lambda *_: 0)
        collect(everybody.acme.pk)
    repository.commit(content("one", 0), "Take it back")
    real = storing.ensure_releases
    collections = ThreadPoolExecutor(1)

    def ensure_then_collect(*given: object) -> object:
        ids = real(*given)  # type: ignore[arg-type]
        begun = collections.submit(lambda: elsewhere(lambda: collect(everybody.acme.pk)))
        _wait_until_blocked_or_done(begun.done)
        return ids

    monkeypatch.setattr(publishing, "ensure_releases", ensure_then_collect)
    run = sync_now(everybody.alice, marketplace_id, worker)
    collections.shutdown()
    assert run.state == RunState.SUCCEEDED, run.error_message
    return damage(everybody.acme)


def _wait_until_blocked_or_done(done: Callable[[], bool]) -> None:
    """Wait until the other connection waits for a lock of this one's, or has ended."""
    while not done():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
            )
            row = cursor.fetchone()
            if row and row[0]:
                return


def test_without_its_token_holding_it_a_bundle_is_lost(
    everybody: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of what `round after round` redeems."""
    repository = new_repository(content("one", 0))
    marketplace_id = publish(everybody.alice, repository, worker, "one")
    secrets = [issue_install_token(principal=everybody.bob, name="one-1").plain_secret for _ in range(2)]
    repository.commit(content("one", 1))
    sync_now(everybody.alice, marketplace_id, worker)
    let_time_pass(everybody.acme)
    collect_all(everybody.acme)
    assert is_whole(redeem_install_token(secret=secrets[0]))
    with within(everybody.acme):
        InstallToken.objects.for_organization(everybody.acme).filter(redemptions=1).delete()
    nothing = (
        SkillListing.objects.for_organization(everybody.acme).none().values_list("release_id", flat=True)
    )
    monkeypatch.setattr(connected, "_held_by_tokens", lambda _: nothing)
    collect_all(everybody.acme)
    with within(everybody.acme):
        token = InstallToken.objects.for_organization(everybody.acme).get()
        assert Release.objects.for_organization(everybody.acme).get(pk=token.release_id).collected_at
    with pytest.raises(Exception, match="matching query does not exist"):
        redeem_install_token(secret=secrets[1])
