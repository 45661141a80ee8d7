"""The queue of sync runs. Rows are the queue; a message to the broker is only the hint that one is waiting."""

import logging
from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from marketplaces.models import Marketplace, RunState, SyncRun, Trigger
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound
from skillport.principal import Actor
from skillport.scoping import HasOrganizationKey, across_organizations, within

logger = logging.getLogger(__name__)

POLL_SECONDS = 600


def request_sync(
    *, organization: HasOrganizationKey | UUID, marketplace_id: UUID, trigger: Trigger, actor: Actor
) -> int:
    """Queue a sync and give its id; a run that is already waiting serves this wish too.

    Raises `NotFound` when the organization has no such marketplace.
    """
    with within(organization):
        marketplace = Marketplace.objects.for_organization(organization).filter(pk=marketplace_id).first()
        if marketplace is None:
            raise NotFound
        run, is_new = SyncRun.objects.for_organization(organization).get_or_create(
            organization_id=marketplace.organization_id,
            marketplace=marketplace,
            state=RunState.QUEUED,
            defaults={"trigger": trigger},
        )
        if is_new and trigger in {Trigger.MANUAL, Trigger.BIND}:
            audit.record(Action.SYNC_REQUESTED, actor=actor, target=marketplace, trigger=trigger)
        hint_on_commit(marketplace.organization_id, run.pk)
        return run.pk


def hint_on_commit(organization_id: UUID, sync_run_id: int) -> None:
    """Tell a worker about a waiting run once it is there to be seen. A lost hint costs a sweep's pause, no more."""
    transaction.on_commit(lambda: _hint(organization_id, sync_run_id), robust=True)


def hint_at_next(organization_id: UUID, marketplace_id: UUID) -> None:
    """Hint at the run that waited for another run of the same marketplace to end."""
    with within(organization_id):
        runs = SyncRun.objects.for_organization(organization_id).filter(marketplace_id=marketplace_id)
        waiting = runs.filter(state=RunState.QUEUED).values_list("pk", flat=True).first()
    if waiting is not None:
        _hint(organization_id, waiting)


def sweep() -> int:
    """Hint again at every run that waits, or whose worker stopped renewing its lease. Gives how many."""
    with across_organizations(reason="sweep waiting sync runs"):
        waiting = SyncRun.objects.all_organizations().filter(
            Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=Now())
        )
        found = list(waiting.order_by("requested_at").values_list("organization_id", "id"))
    for organization_id, sync_run_id in found:
        _hint(organization_id, sync_run_id)
    return len(found)


def poll_due() -> list[tuple[UUID, UUID]]:
    """Claim the marketplaces whose regular look is due, as (organization id, marketplace id)."""
    with across_organizations(reason="find marketplaces to poll"):
        due = Marketplace.objects.all_organizations().filter(next_poll_at__lte=Now())
        found = list(due.order_by("next_poll_at").values_list("organization_id", "id")[:500])
        Marketplace.objects.all_organizations().filter(pk__in=[pk for _, pk in found]).update(
            next_poll_at=Now() + timedelta(seconds=POLL_SECONDS)
        )
    return found


def _hint(organization_id: UUID, sync_run_id: int) -> None:
    try:
        current_app.send_task(
            "marketplaces.tasks.run_sync",
            kwargs={"organization_id": str(organization_id), "sync_run_id": sync_run_id},
            retry=False,
        )
    except Exception:  # noqa: BLE001 whatever the broker does, the row is there and the sweeper finds it
        logger.warning("The task queue did not take a hint", extra={"sync_run": sync_run_id})
