"""One worker per marketplace, and no harm from one that was thought dead."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from marketplaces.git.commit import CommitInfo
from marketplaces.manifest.plan import Catalog
from marketplaces.models import Marketplace, Phase, RunState, SyncRun, Trigger
from marketplaces.services import leases, queue, sync
from marketplaces.services.leases import LeaseLost
from marketplaces.services.publishing import publish
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.publishing import bind, sync_now
from tests.repositories import SMALL, NewRepository
from tests.running import Running
from tests.waiting import until


@pytest.fixture
def waiting(cast: Cast, new_repository: NewRepository) -> tuple[Cast, int]:
    bind(cast.alice, new_repository(SMALL))
    with within(cast.acme):
        return cast, SyncRun.objects.for_organization(cast.acme).get().pk


def take(cast: Cast, run: int, worker: str = "first") -> leases.Lease | None:
    return leases.take(organization_id=cast.acme.pk, sync_run_id=run, worker=worker)


def run_row(cast: Cast, run: int) -> SyncRun:
    with within(cast.acme):
        return SyncRun.objects.for_organization(cast.acme).get(pk=run)


def end_lease(cast: Cast, run: int) -> None:
    with within(cast.acme):
        SyncRun.objects.for_organization(cast.acme).filter(pk=run).update(
            leased_until=Now() - timedelta(seconds=1)
        )


def test_a_run_is_taken_once(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    assert take(cast, run) is not None
    assert take(cast, run, "second") is None


def test_a_lease_is_renewed_while_its_worker_works(
    live: Running, new_repository: NewRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_hint", lambda *_: None)  # the running worker is not to take it
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    cast = make_cast()
    bind(cast.alice, new_repository(SMALL))
    with within(cast.acme):
        run = SyncRun.objects.for_organization(cast.acme).get().pk
    lease = take(cast, run)
    assert lease is not None
    end_lease(cast, run)
    ended = run_row(cast, run).leased_until
    with leases.renewed(lease):
        until(lambda: run_row(cast, run).leased_until > ended)  # type: ignore[operator]
    assert take(cast, run, "second") is None
    leases.finish(lease, RunState.FAILED, error_code="test")


def test_a_run_whose_lease_ran_out_is_taken_again_with_a_higher_fence(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    first = take(cast, run)
    end_lease(cast, run)
    second = take(cast, run, "second")
    assert first is not None
    assert second is not None
    assert second.fence > first.fence
    assert run_row(cast, run).attempts == 2


def test_a_worker_that_slept_through_its_lease_can_neither_report_publish_nor_end_the_run(
    waiting: tuple[Cast, int],
) -> None:
    cast, run = waiting
    late = take(cast, run)
    end_lease(cast, run)
    assert take(cast, run, "second") is not None
    assert late is not None
    with pytest.raises(LeaseLost):
        leases.report(late, Phase.STORING)
    nothing = Catalog(name="x", description="", plugins=(), findings=())
    from django.utils import timezone

    with pytest.raises(LeaseLost):
        publish(
            late, commit="0" * 40, info=CommitInfo("late", timezone.now(), ""), catalog=nothing, stored={}
        )
    leases.finish(late, "failed", error_code="late")  # type: ignore[arg-type]
    row = run_row(cast, run)
    assert (row.state, row.leased_by, row.error_code) == ("running", "second", "")


def test_only_one_run_of_a_marketplace_is_under_way(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    assert take(cast, run) is not None
    with within(cast.acme):
        marketplace_id = Marketplace.objects.for_organization(cast.acme).get().pk
    next_run = queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.WEBHOOK, actor=cast.alice
    )
    assert next_run != run
    assert take(cast, next_run) is None
    assert run_row(cast, next_run).state == "queued", "it waits its turn"


def test_many_wishes_become_one_waiting_run(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    with within(cast.acme):
        marketplace_id = Marketplace.objects.for_organization(cast.acme).get().pk
    wishes = {
        queue.request_sync(
            organization=cast.acme, marketplace_id=marketplace_id, trigger=trigger, actor=cast.alice
        )
        for trigger in (Trigger.WEBHOOK, Trigger.POLL, Trigger.MANUAL)
    }
    assert wishes == {run}


def test_a_worker_that_starts_again_gives_up_the_runs_it_held(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    take(cast, run, "demo")
    assert leases.release_those_of("another") == 0
    assert leases.release_those_of("demo") == 1
    assert take(cast, run, "demo") is not None


def test_an_interrupted_run_goes_back_into_the_queue(waiting: tuple[Cast, int]) -> None:
    cast, run = waiting
    lease = take(cast, run)
    assert lease is not None
    leases.give_back(lease)
    assert run_row(cast, run).state == "queued"
    assert take(cast, run) is not None


def test_a_run_that_ends_one_worker_after_another_is_given_up_with_a_reason(
    waiting: tuple[Cast, int], worker: Worker
) -> None:
    cast, run = waiting
    for _ in range(3):
        assert take(cast, run) is not None
        end_lease(cast, run)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run, worker=worker)
    row = run_row(cast, run)
    assert (row.state, row.error_code) == ("failed", "workers_lost")
    assert "3 workers ended" in row.error_message
    with within(cast.acme):
        assert Marketplace.objects.for_organization(cast.acme).get().next_poll_at is not None
        marketplace_id = row.marketplace_id
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded", "another wish is another run"


def test_a_third_worker_may_still_succeed_and_orderly_interruptions_do_not_count(
    waiting: tuple[Cast, int], worker: Worker
) -> None:
    cast, run = waiting
    for _ in range(5):
        lease = take(cast, run)
        assert lease is not None
        leases.give_back(lease)
    for _ in range(2):
        assert take(cast, run) is not None
        end_lease(cast, run)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run, worker=worker)
    assert run_row(cast, run).state == "succeeded"


def test_the_sweeper_finds_what_waits_and_what_was_left_lying(
    waiting: tuple[Cast, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cast, run = waiting
    hinted: list[int] = []
    monkeypatch.setattr(queue, "_hint", lambda _organization_id, sync_run_id: hinted.append(sync_run_id))
    queue.sweep()
    take(cast, run)
    queue.sweep()
    end_lease(cast, run)
    queue.sweep()
    assert hinted == [run, run]


def test_a_marketplace_is_polled_once_when_its_time_has_come(waiting: tuple[Cast, int]) -> None:
    cast, _ = waiting
    assert queue.poll_due() == []
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).update(next_poll_at=Now() - timedelta(seconds=1))
        marketplace_id = Marketplace.objects.for_organization(cast.acme).get().pk
    assert queue.poll_due() == [(cast.acme.pk, marketplace_id)]
    assert queue.poll_due() == []


def test_a_run_that_had_to_wait_is_hinted_at_when_the_other_has_ended(
    waiting: tuple[Cast, int], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast, run = waiting
    hinted: list[int] = []
    monkeypatch.setattr(queue, "_hint", lambda _organization_id, sync_run_id: hinted.append(sync_run_id))
    first = take(cast, run)
    assert first is not None
    next_run = queue.request_sync(
        organization=cast.acme, marketplace_id=first.marketplace_id, trigger=Trigger.WEBHOOK, actor=cast.alice
    )
    end_lease(cast, run)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run, worker=worker)
    assert hinted == [next_run]
