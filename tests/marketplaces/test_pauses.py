"""A git host asks for a pause, a run loses its lease, a marketplace vanishes: what the queue makes of it."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from marketplaces import progress, tasks
from marketplaces.git.head import Head
from marketplaces.models import Marketplace, SyncRun, Trigger
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.services import leases, queue, sync
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.worker import Worker, make_worker
from skillport.outbound import Origin, Outbound
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.git.hosts import FakeHost, always
from tests.publishing import bind
from tests.repositories import SMALL, NewRepository


def wish(cast: Cast, marketplace_id: UUID, trigger: Trigger) -> int:
    return queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=trigger, actor=cast.alice
    )


def run(cast: Cast, sync_run_id: int, worker: Worker) -> SyncRun:
    sync.run(organization_id=cast.acme.pk, sync_run_id=sync_run_id, worker=worker)
    with within(cast.acme):
        return SyncRun.objects.for_organization(cast.acme).get(pk=sync_run_id)


def change(cast: Cast, **fields: object) -> None:
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).update(**fields)


def next_poll(cast: Cast) -> datetime | None:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get().next_poll_at


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "3600"}, 3600), ({}, POLL_SECONDS)])
def test_a_host_that_asked_for_a_pause_is_not_asked_again_before_it_is_over(
    cast: Cast, worker: Worker, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], seconds: int
) -> None:
    hinted: list[int] = []
    monkeypatch.setattr(queue, "_hint", lambda _, sync_run_id: hinted.append(sync_run_id))
    with FakeHost(always(429, **headers)) as host:
        outbound = Outbound(frozenset({Origin.parse(host.url)}))
        here = make_worker(name="pauses", folder=worker.folder, outbound=outbound)
        marketplace_id = bind_marketplace(
            principal=cast.alice, slug="skills", url=f"{host.url}/x.git"
        ).marketplace_id
        first = run(cast, wish(cast, marketplace_id, Trigger.BIND), here)
        assert (first.state, first.error_code, len(host.requests)) == ("failed", "git_host_rate_limited", 1)
        for trigger in (Trigger.WEBHOOK, Trigger.POLL, Trigger.MANUAL):
            waiting = run(cast, wish(cast, marketplace_id, trigger), here)
            assert (waiting.state, len(host.requests)) == ("queued", 1), trigger
        hinted.clear()
        queue.sweep()
        assert hinted == [], "what has to wait is not hinted at"
        change(cast, quiet_until=Now() - timedelta(seconds=1))
        queue.sweep()
        assert hinted == [waiting.pk]
        assert run(cast, waiting.pk, here).state == "failed"
        assert len(host.requests) == 2
    with within(cast.acme):
        quiet_until = Marketplace.objects.for_organization(cast.acme).get().quiet_until
    assert quiet_until is not None
    assert quiet_until > timezone.now() + timedelta(seconds=seconds // 2)


def test_a_run_that_lost_its_lease_says_nothing_and_moves_no_poll(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = bind(cast.alice, new_repository(SMALL))
    run_id = wish(cast, marketplace_id, Trigger.MANUAL)
    told: list[object] = []
    monkeypatch.setattr(progress, "publish", lambda _, message: told.append(message))

    def lose_the_lease(*_: object) -> Head:
        with within(cast.acme):
            SyncRun.objects.for_organization(cast.acme).update(leased_until=Now() - timedelta(seconds=1))
        assert leases.take(organization_id=cast.acme.pk, sync_run_id=run_id, worker="second")
        raise RuntimeError("too late")

    monkeypatch.setattr(sync, "ask_head", lose_the_lease)
    before = next_poll(cast)
    ended = run(cast, run_id, worker)
    assert (ended.state, ended.leased_by, told) == ("running", "second", [])
    assert next_poll(cast) == before


def test_one_marketplace_that_vanished_does_not_keep_the_others_from_being_polled(
    cast: Cast, new_repository: NewRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = bind(cast.alice, new_repository({}))
    with within(cast.acme):
        SyncRun.objects.for_organization(cast.acme).delete()
    due = [(cast.acme.pk, uuid4()), (cast.globex.pk, marketplace_id), (cast.acme.pk, marketplace_id)]
    monkeypatch.setattr(queue, "poll_due", lambda: due)
    tasks.poll_marketplaces()
    with within(cast.acme):
        assert SyncRun.objects.for_organization(cast.acme).get().trigger == Trigger.POLL
