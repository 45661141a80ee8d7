"""Leases on external sources: few at once in an organization, and a fence against a worker that was thought dead."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from marketplaces.models import ExternalSource, ExternalUse, MirrorState
from marketplaces.services.leases import LEASE_SECONDS, LeaseLost
from skillport.scoping import ScopedQuerySet, across_organizations, within

# Mirrors that run at once in one organization. They share the workers with everybody's syncs.
AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Lease:
    organization_id: UUID
    source_id: int
    fence: int
    attempt: int  # counts the workers that took the source up, without those that gave it back in good order


def ready() -> Q:
    """Give the condition under which a worker may take a source up."""
    waits = Q(state=MirrorState.WAITING) & (Q(not_before=None) | Q(not_before__lte=Now()))
    return waits | Q(state=MirrorState.RUNNING, leased_until__lt=Now())


def take_next(*, organization_id: UUID, worker: str) -> Lease | None:
    """Take up the source of the organization that has waited longest. None when there is none, or enough are running."""
    for _ in range(AT_ONCE):
        try:
            with within(organization_id):
                return _take(organization_id, worker)
        except IntegrityError:
            pass  # somebody else took the slot; there may be another one
    return None


def _take(organization_id: UUID, worker: str) -> Lease | None:
    sources = ExternalSource.objects.for_organization(organization_id)
    uses = ExternalUse.objects.for_organization(organization_id).filter(source=OuterRef("pk"))
    # Those first whose worker is gone: they hold the slots that the others need.
    order = (F("slot").asc(nulls_last=True), F("asked_at").asc(nulls_first=True), "pk")
    waiting = sources.filter(ready(), Exists(uses)).order_by(*order)
    source = waiting.select_for_update(skip_locked=True).first()
    if source is None:
        return None
    slot = source.slot
    if slot is None:
        taken = set(sources.exclude(slot=None).values_list("slot", flat=True))
        slot = next((one for one in range(AT_ONCE) if one not in taken), None)
    if slot is None:
        return None
    sources.filter(pk=source.pk).update(
        state=MirrorState.RUNNING, slot=slot, fence=F("fence") + 1, leased_by=worker, leased_until=_lease_end(),
        attempts=F("attempts") + 1, not_before=None,
    )  # fmt: skip
    return Lease(organization_id, source.pk, source.fence + 1, source.attempts + 1)


def renew(lease: Lease) -> None:
    """Keep the source for another lease's time. Raises `LeaseLost`."""
    with within(lease.organization_id):
        if not held(lease).update(leased_until=_lease_end()):
            raise LeaseLost


def finish(lease: Lease, state: MirrorState, **outcome: Any) -> None:
    """End the work on the source as `state`. Raises `LeaseLost` when somebody else has it."""
    with within(lease.organization_id):
        ended = held(lease).update(
            state=state, slot=None, leased_until=None, attempts=0, asked_at=Now(), **outcome
        )
        if not ended:
            raise LeaseLost


def give_back(lease: Lease) -> None:
    """Let an interrupted source wait again."""
    with within(lease.organization_id):
        held(lease).update(
            state=MirrorState.WAITING, slot=None, leased_until=None, attempts=F("attempts") - 1
        )


def release_mirrors_of(worker: str) -> int:
    """At the start of `worker`: let the sources that it held when it was killed be taken again at once. Gives how many."""
    with across_organizations(reason="a worker that starts mirrors nothing"), transaction.atomic():
        mine = ExternalSource.objects.all_organizations().filter(state=MirrorState.RUNNING, leased_by=worker)
        return mine.update(leased_until=Now() - timedelta(seconds=1))


def held(lease: Lease) -> ScopedQuerySet[ExternalSource]:
    """Give the source as long as the lease is the newest one."""
    return ExternalSource.objects.for_organization(lease.organization_id).filter(
        pk=lease.source_id, state=MirrorState.RUNNING, fence=lease.fence
    )


def _lease_end() -> Any:
    return Now() + timedelta(seconds=LEASE_SECONDS)
