"""The queue of sync runs. Rows are the queue; a message to the broker is only the hint that one is waiting."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, Value, When, Window
from django.db.models.functions import Now, RowNumber

from marketplaces.models import Marketplace, RunState, SyncRun, Trigger
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.models.sync_run import BY_PEOPLE
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.courier import Courier
from skillport.errors import NotFound, SkillportError
from skillport.principal import Actor, OrganizationRef
from skillport.scoping import HasOrganizationKey, across_organizations, within

MOST_AT_ONCE = 2  # syncs of one organization: the others' turn comes while it has many
# While no worker takes hints, the sweeper sends new ones; generous, because clocks differ.
HINT_EXPIRES_SECONDS = 300

_courier: Final = Courier("hints")

_EVERY: Final = Case(
    When(poll_seconds=0, then=Value(POLL_SECONDS)), default=F("poll_seconds"), output_field=IntegerField()
)
_NOT_QUIET: Final = Q(marketplace__quiet_until=None) | Q(marketplace__quiet_until__lte=Now())


class SyncsStopped(SkillportError):
    """Syncs of this marketplace do not begin as things stand; the message says who can change that."""

    code = "syncs_stopped"
    status = 409


def request_sync(
    *, organization: HasOrganizationKey | UUID, marketplace_id: UUID, trigger: Trigger, actor: Actor
) -> int:
    """Queue a sync and give its id; a run that is already waiting serves this wish too.

    A person's wish ends what earlier failures led to: it is tried once more. Raises `NotFound` when the organization
    has no such marketplace, and `SyncsStopped` while it is paused or about to be deleted, or when only a person can
    end what is wrong and the wish is not a person's.
    """
    with within(organization):
        own = Marketplace.objects.for_organization(organization).filter(pk=marketplace_id)
        marketplace = own.first()
        if marketplace is None:
            raise NotFound
        _require_under_way(marketplace, trigger)
        if trigger in BY_PEOPLE:
            own.update(failures=0, attention="", failing_commit="", commit_failures=0, quarantined_until=None)
        run, is_new = _waiting_run(marketplace, trigger)
        if is_new and trigger in BY_PEOPLE:
            audit.record(Action.SYNC_REQUESTED, actor=actor, target=marketplace, trigger=trigger)
        hint_on_commit(marketplace.organization_id, run.pk)
        return run.pk


def _waiting_run(marketplace: Marketplace, trigger: Trigger) -> tuple[SyncRun, bool]:
    """Give the run that waits, and whether it is new."""
    runs = SyncRun.objects.for_organization(marketplace.organization_id)
    wanted: dict[str, Any] = {
        "organization_id": marketplace.organization_id,
        "marketplace": marketplace,
        "state": RunState.QUEUED,
        "defaults": {"trigger": trigger},
    }
    try:
        return runs.get_or_create(**wanted)
    except IntegrityError:  # somebody else's was there, and was taken before it could be read
        return runs.get_or_create(**wanted)


def request_sync_unless_stopped(
    *, organization: OrganizationRef, marketplace_id: UUID, actor: Actor
) -> int | None:
    """Queue the sync that a person's change asks for. None while none may begin: the change holds all the same."""
    try:
        return request_sync(
            organization=organization, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=actor
        )
    except SyncsStopped:
        return None


def hint_on_commit(organization_id: UUID, sync_run_id: int) -> None:
    """Tell a worker about a waiting run once it is there to be seen. A lost hint costs a sweep's pause, no more."""
    transaction.on_commit(lambda: _hint(organization_id, sync_run_id), robust=True)


def hint_at_next(organization_id: UUID) -> None:
    """Hint at the organization's run that has waited longest for another one to end."""
    with within(organization_id):
        runs = SyncRun.objects.for_organization(organization_id)
        under_way = runs.filter(state=RunState.RUNNING, marketplace=OuterRef("marketplace"))
        waiting = runs.filter(~Exists(under_way), _NOT_QUIET, state=RunState.QUEUED)
        oldest = waiting.order_by("requested_at", "pk").values_list("pk", flat=True).first()
    if oldest is not None:
        _hint(organization_id, oldest)


def sweep() -> int:
    """Hint again at runs that wait, or whose worker stopped renewing its lease. Gives how many.

    Of each organization at as many as may be under way at once, the oldest first; the organizations take turns. Not
    at those that their git host wants to wait.
    """
    with across_organizations(reason="sweep waiting sync runs"):
        runs = SyncRun.objects.all_organizations()
        under_way = runs.filter(
            state=RunState.RUNNING, leased_until__gte=Now(), marketplace=OuterRef("marketplace")
        )
        waiting = runs.filter(
            Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, leased_until__lt=Now()),
            ~Exists(under_way),
            _NOT_QUIET,
        ).annotate(turn=_TURN)
        first = waiting.filter(turn__lte=MOST_AT_ONCE).order_by("turn", "requested_at", "pk")
        found = list(first.values_list("organization_id", "id"))
    for organization_id, sync_run_id in found:
        _hint(organization_id, sync_run_id)
    return len(found)


def poll_due() -> list[tuple[UUID, UUID]]:
    """Claim the marketplaces whose regular look is due, as (organization id, marketplace id)."""
    with across_organizations(reason="find marketplaces to poll"):
        due = Marketplace.objects.all_organizations().filter(
            next_poll_at__lte=Now(),
            organization__closing_at=None,
            closing_at=None,
            paused_at=None,
            attention="",
        )
        found = list(due.order_by("next_poll_at").values_list("organization_id", "id")[:500])
        Marketplace.objects.all_organizations().filter(pk__in=[pk for _, pk in found]).update(
            next_poll_at=Now() + _EVERY * timedelta(seconds=1)
        )
    return found


def cancel_syncs(organization_id: UUID, marketplace_id: UUID) -> None:
    """Call off what waits and what is under way, inside the caller's own `within`: it may publish nothing any more."""
    own = Marketplace.objects.for_organization(organization_id).filter(pk=marketplace_id)
    own.update(fence=F("fence") + 1)
    runs = SyncRun.objects.for_organization(organization_id).filter(
        marketplace_id=marketplace_id, ended_at=None
    )
    runs.update(state=RunState.CANCELLED, ended_at=Now(), leased_until=None)


_TURN: Final = Window(
    RowNumber(), partition_by=F("organization_id"), order_by=[F("requested_at").asc(), F("pk").asc()]
)


def _require_under_way(marketplace: Marketplace, trigger: Trigger) -> None:
    if marketplace.closing_at:
        raise SyncsStopped("This marketplace is about to be deleted. Keep it first.")
    if marketplace.paused_at:
        raise SyncsStopped("Syncs of this marketplace are paused. Resume them first.")
    if marketplace.attention and trigger not in BY_PEOPLE:
        raise SyncsStopped("The last sync ended with something that only an administrator can put right.")


def _hint(organization_id: UUID, sync_run_id: int) -> None:
    """Send the message without waiting for the broker: dead or frozen, it holds nobody up."""
    run = {"organization_id": str(organization_id), "sync_run_id": sync_run_id}
    _courier.send(
        lambda: current_app.send_task(
            "marketplaces.tasks.run_sync", kwargs=run, expires=HINT_EXPIRES_SECONDS, retry=False
        )
    )
