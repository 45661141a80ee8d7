"""Syncs of many organizations: each has two under way at most, and they take turns."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now

from marketplaces.models import SyncRun
from marketplaces.services import leases, queue
from marketplaces.services.leases import Lease
from skillport.principal import Principal
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.publishing import bind
from tests.repositories import SMALL, NewRepository, Repository


def bind_many(owner: Principal, repository: Repository, count: int) -> list[int]:
    """Bind it so often, and give the runs that wait, the oldest first."""
    for number in range(count):
        bind(owner, repository, slug=f"skills-{number}")
    with within(owner.organization):
        runs = SyncRun.objects.for_organization(owner.organization).order_by("requested_at", "pk")
        return list(runs.values_list("pk", flat=True))


def take(owner: Principal, run: int) -> Lease | None:
    return leases.take(organization_id=owner.organization_id, sync_run_id=run, worker="test")


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, int]]:
    seen: list[tuple[UUID, int]] = []
    monkeypatch.setattr(queue, "_hint", lambda organization_id, run: seen.append((organization_id, run)))
    return seen


def test_an_organization_with_many_repositories_leaves_room_for_the_others(
    cast: Cast, new_repository: NewRepository, hinted: list[tuple[UUID, int]]
) -> None:
    repository = new_repository(SMALL)
    many, few = bind_many(cast.alice, repository, 5), bind_many(cast.charlie, repository, 1)
    leased = [take(cast.alice, run) for run in many]
    assert [lease is not None for lease in leased] == [True, True, False, False, False]
    assert take(cast.charlie, few[0]) is not None
    assert leased[0] is not None
    hinted.clear()
    leases.finish(leased[0], "failed", error_code="test")  # type: ignore[arg-type]
    queue.hint_at_next(cast.acme.pk)
    assert hinted == [(cast.acme.pk, many[2])], "the one that has waited longest is next"
    assert take(cast.alice, many[2]) is not None


def test_the_sweeper_lets_organizations_take_turns(
    cast: Cast, new_repository: NewRepository, hinted: list[tuple[UUID, int]]
) -> None:
    repository = new_repository(SMALL)
    many, few = bind_many(cast.alice, repository, 4), bind_many(cast.charlie, repository, 2)
    hinted.clear()
    queue.sweep()
    acme, globex = cast.acme.pk, cast.globex.pk
    assert hinted == [(acme, many[0]), (globex, few[0]), (acme, many[1]), (globex, few[1])]


def test_a_worker_that_vanished_takes_nobodys_place(
    cast: Cast, new_repository: NewRepository, hinted: list[tuple[UUID, int]]
) -> None:
    runs = bind_many(cast.alice, new_repository(SMALL), 3)
    for run in runs[:2]:
        take(cast.alice, run)
    assert take(cast.alice, runs[2]) is None
    with within(cast.acme):
        held = SyncRun.objects.for_organization(cast.acme).filter(pk=runs[0])
        held.update(leased_until=Now() - timedelta(seconds=1))
    assert take(cast.alice, runs[2]) is not None


def test_workers_that_ask_at_the_same_time_are_counted_one_after_the_other(
    transactional_db: None, new_repository: NewRepository, hinted: list[tuple[UUID, int]]
) -> None:
    """Seen red without the lock in `leases.take`: all six begin."""
    cast = make_cast()
    runs = bind_many(cast.alice, new_repository(SMALL), 6)
    together, leased = threading.Barrier(len(runs)), []

    def work(run: int) -> None:
        together.wait()
        try:
            leased.append(take(cast.alice, run))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in leased if lease]) == 2
