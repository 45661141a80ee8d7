"""Leases on sync runs: one worker per marketplace, and a fence against one that was thought dead.

Taking a run raises the marketplace's fence. Whoever wants to publish must still hold that number, so a worker that
slept through its lease can do no harm when it wakes.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from marketplaces.models import Marketplace, Phase, RunState, SyncRun
from skillport.errors import SkillportError
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


def take(*, organization_id: UUID, sync_run_id: int, worker: str) -> Lease | None:
    """Take up a waiting run, or one whose lease ran out. None when there is nothing to do or it is not its turn."""
    try:
        with within(organization_id):
            runs = SyncRun.objects.for_organization(organization_id)
            ready = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=Now())
            run = runs.filter(ready, pk=sync_run_id).select_for_update(skip_locked=True).first()
            if run is None:
                return None
            own = Marketplace.objects.for_organization(organization_id).filter(pk=run.marketplace_id)
            own.update(fence=F("fence") + 1)
            fence = own.values_list("fence", flat=True).get()
            runs.filter(pk=run.pk).update(
                state=RunState.RUNNING, fence=fence, leased_by=worker, leased_until=_lease_end(), started_at=Now(),
                attempts=F("attempts") + 1, phase=Phase.ASKING, done=0, total=0,
            )  # fmt: skip
            return Lease(organization_id, run.marketplace_id, run.pk, fence)
    except IntegrityError:
        return None  # this marketplace has a running run; the sweeper comes back to this one


@contextlib.contextmanager
def renewed(lease: Lease) -> Iterator[None]:
    """Keep the lease alive from a thread of its own while the block works."""
    ended = threading.Event()

    def renew() -> None:
        try:
            while not ended.wait(RENEW_SECONDS):
                try:
                    with within(lease.organization_id):
                        _held(lease).update(leased_until=_lease_end())
                except Exception:
                    logger.exception("Could not renew a lease", extra={"sync_run": lease.sync_run_id})
        finally:
            connection.close()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def report(lease: Lease, phase: Phase, done: int = 0, total: int = 0) -> None:
    """Write down how far the run is. Raises `LeaseLost`."""
    with within(lease.organization_id):
        if not _held(lease).update(phase=phase, done=done, total=total, leased_until=_lease_end()):
            raise LeaseLost


def finish(lease: Lease, state: RunState, **outcome: object) -> None:
    """End the run as `state`. Does nothing when the lease was lost: whoever has it now will end it."""
    with within(lease.organization_id):
        _held(lease).update(state=state, ended_at=Now(), leased_until=None, **outcome)


def give_back(lease: Lease) -> None:
    """Put an interrupted run back into the queue, unless a newer wish already waits there."""
    try:
        with within(lease.organization_id):
            _held(lease).update(state=RunState.QUEUED, leased_until=None)
    except IntegrityError:
        finish(lease, RunState.FAILED, error_code="sync_stopped")


def release_those_of(worker: str) -> int:
    """At the start of `worker`: let the runs that it held when it was killed be taken again at once. Gives how many."""
    with across_organizations(reason="a worker that starts holds no runs"), transaction.atomic():
        held = SyncRun.objects.all_organizations().filter(state=RunState.RUNNING, leased_by=worker)
        return held.update(leased_until=Now() - timedelta(seconds=1))


def _held(lease: Lease):  # type: ignore[no-untyped-def] # a queryset; django-stubs cannot name the custom one
    return SyncRun.objects.for_organization(lease.organization_id).filter(
        pk=lease.sync_run_id, state=RunState.RUNNING, fence=lease.fence, marketplace__fence=lease.fence
    )


def _lease_end() -> object:
    return Now() + timedelta(seconds=LEASE_SECONDS)
