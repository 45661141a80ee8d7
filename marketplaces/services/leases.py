"""Leases on sync runs: one worker per marketplace, and a fence against one that was thought dead.

Taking a run raises the marketplace's fence. Whoever wants to publish must still hold that number, so a worker that
slept through its lease can do no harm when it wakes.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from marketplaces.models import Marketplace, Phase, RunState, SyncFinding, SyncRun
from marketplaces.services.queue import MOST_AT_ONCE
from skillport.errors import SkillportError
from skillport.outbound import Meter
from skillport.scoping import across_organizations, within

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
RENEW_SECONDS = 15


class LeaseLost(SkillportError):
    """Another worker has this run by now; nothing that this one still holds may be written."""

    code = "lease_lost"
    status = 409


@dataclass(frozen=True, slots=True)
class Lease:
    organization_id: UUID
    marketplace_id: UUID
    sync_run_id: int
    fence: int
    attempt: int  # counts the workers that took the run up, without those that gave it back in good order
    # Of the git host, by all attempts, this one's as it goes on.
    meter: Meter = field(default_factory=Meter, compare=False)


def take(*, organization_id: UUID, sync_run_id: int, worker: str) -> Lease | None:
    """Take up a waiting run, or one whose lease ran out. None when there is nothing to do or it is not its turn.

    It is not while the git host wants a pause, or while as many of the organization's are under way as may be.
    """
    try:
        with within(organization_id):
            runs = SyncRun.objects.for_organization(organization_id)
            ready = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=Now())
            found = runs.filter(ready, pk=sync_run_id)
            # The marketplace before its run, as everybody who changes both: else two could wait for each other.
            list(
                Marketplace.objects.for_organization(organization_id)
                .select_for_update()
                .filter(pk__in=found.values("marketplace"))
            )
            run = found.select_for_update(skip_locked=True).first()
            if run is None:
                return None
            _one_at_a_time(organization_id)
            under_way = runs.filter(state=RunState.RUNNING, leased_until__gte=Now()).exclude(pk=run.pk)
            if under_way.count() >= MOST_AT_ONCE:
                return None
            own = Marketplace.objects.for_organization(organization_id).filter(pk=run.marketplace_id)
            if not own.filter(Q(quiet_until=None) | Q(quiet_until__lte=Now())).update(fence=F("fence") + 1):
                return None
            fence = own.values_list("fence", flat=True).get()
            runs.filter(pk=run.pk).update(
                state=RunState.RUNNING, fence=fence, leased_by=worker, leased_until=_lease_end(), started_at=Now(),
                attempts=F("attempts") + 1, phase=Phase.ASKING, done=0, total=0, found=0,
            )  # fmt: skip
            if run.found:  # by whoever had it before
                SyncFinding.objects.for_organization(organization_id).filter(sync_run=run).delete()
            spent = Meter(run.requests, run.received_bytes)
            return Lease(organization_id, run.marketplace_id, run.pk, fence, run.attempts + 1, spent)
    except IntegrityError:
        return None  # this marketplace has a running run; the sweeper comes back to this one


def _one_at_a_time(organization_id: UUID) -> None:
    """Let one worker at a time count what is under way, until the end of its transaction."""
    with connection.cursor() as cursor:
        key = f"syncs of {organization_id}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


@contextlib.contextmanager
def renewed(lease: Lease) -> Iterator[None]:
    """Keep the lease alive from a thread of its own while the block works."""

    def renew() -> None:
        with within(lease.organization_id):
            _held(lease).update(leased_until=_lease_end())

    with renewing(renew, told={"sync_run": lease.sync_run_id}):
        yield


@contextlib.contextmanager
def renewing(renew: Callable[[], object], *, told: Mapping[str, object]) -> Iterator[None]:
    """Call `renew` again and again from a thread of its own while the block works; what it raises is logged."""
    ended = threading.Event()

    def work() -> None:
        try:
            while not ended.wait(RENEW_SECONDS):
                try:
                    renew()
                except Exception:
                    logger.exception("Could not renew a lease", extra=dict(told))
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def report(lease: Lease, phase: Phase, done: int = 0, total: int = 0, **known: object) -> None:
    """Write down how far the run is, what it has cost and what is known by now. Raises `LeaseLost`."""
    how_far = {"phase": phase, "done": done, "total": total, **_spent(lease), **known}
    with within(lease.organization_id):
        if not _held(lease).update(leased_until=_lease_end(), **how_far):
            raise LeaseLost


def note_commit(lease: Lease, commit: str) -> None:
    """Write down which commit the run imports, so that what ends it can be laid at its door. Raises `LeaseLost`."""
    with within(lease.organization_id):
        if not _held(lease).update(commit=commit):
            raise LeaseLost


def finish(lease: Lease, state: RunState, **outcome: object) -> bool:
    """End the run as `state`. Does nothing and gives False when the lease was lost: whoever has it now will end it."""
    with within(lease.organization_id):
        return bool(
            _held(lease).update(state=state, ended_at=Now(), leased_until=None, **_spent(lease), **outcome)
        )


def give_back(lease: Lease) -> None:
    """Put an interrupted run back into the queue, unless a newer wish already waits there."""
    try:
        with within(lease.organization_id):
            _held(lease).update(
                state=RunState.QUEUED, leased_until=None, attempts=F("attempts") - 1, **_spent(lease)
            )
    except IntegrityError:
        finish(lease, RunState.FAILED, error_code="sync_stopped")


def release_those_of(worker: str) -> int:
    """At the start of `worker`: let the runs that it held when it was killed be taken again at once. Gives how many."""
    with across_organizations(reason="a worker that starts holds no runs"), transaction.atomic():
        held = SyncRun.objects.all_organizations().filter(state=RunState.RUNNING, leased_by=worker)
        return held.update(leased_until=Now() - timedelta(seconds=1))


def _spent(lease: Lease) -> dict[str, int]:
    return {"requests": lease.meter.requests, "received_bytes": lease.meter.received_bytes}


def _held(lease: Lease):  # type: ignore[no-untyped-def] # a queryset; django-stubs cannot name the custom one
    return SyncRun.objects.for_organization(lease.organization_id).filter(
        pk=lease.sync_run_id, state=RunState.RUNNING, fence=lease.fence, marketplace__fence=lease.fence
    )


def _lease_end() -> object:
    return Now() + timedelta(seconds=LEASE_SECONDS)
