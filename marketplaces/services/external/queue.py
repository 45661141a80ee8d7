"""The queue of external sources: rows that wait are the queue, a message to the broker is only the hint."""

import contextlib
from datetime import timedelta
from typing import Final
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from marketplaces.git.errors import CredentialRefused, RateLimited
from marketplaces.models import ExternalSource, ExternalUse, Marketplace, MirrorState, Trigger
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.services.external.known import is_up_to_date
from marketplaces.services.external.leases import AT_ONCE, ready
from marketplaces.services.queue import HINT_EXPIRES_SECONDS, SyncsStopped, request_sync
from skillport.courier import Courier
from skillport.errors import NotFound
from skillport.principal import SystemActor
from skillport.scoping import ScopedQuerySet, across_organizations, within

# What arrives is put in place when nothing more is under way, and in between each time after so many.
_TOGETHER: Final = 25
_UNUSED_SECONDS: Final = 24 * 3600

_courier: Final = Courier("mirror-hints")


def ask_again(*, organization_id: UUID, marketplace_id: UUID, trigger: Trigger) -> None:
    """After a sync: let what the marketplace uses be asked for again where that is due, and hint at what waits.

    Due are sources that follow a branch or tag, and those that failed; when a person asked for the sync, at once.
    A mirrored commit is never asked for again, and no host before its pause is over.
    """
    with within(organization_id):
        sources = _used_by(organization_id, marketplace_id)
        due = Q(state=MirrorState.FAILED) | Q(state=MirrorState.MIRRORED, sha="")
        # A credential that was refused is not shown again before a person wants it, or binds another.
        refused = Q(error_code=CredentialRefused.code, credential__isnull=False)
        rested = Q(not_before=None) | Q(not_before__lte=Now())
        if trigger == Trigger.MANUAL:
            again = sources.filter(due, rested | ~Q(error_code=RateLimited.code))
        else:
            # Half of it, because polls are spread: what one poll asked, the next one asks again.
            before = Now() - timedelta(seconds=POLL_SECONDS // 2)
            again = sources.filter(
                due, rested, ~refused, Q(state=MirrorState.FAILED) | Q(asked_at__lt=before)
            )
        if trigger != Trigger.MIRROR:
            again.update(state=MirrorState.WAITING, not_before=None)
        if sources.filter(ready()).exists():
            hint_on_commit(organization_id)


def put_in_place(*, organization_id: UUID, source_id: int) -> None:
    """After a mirror has ended: request a sync of the marketplaces that use it, where it makes a difference."""
    with within(organization_id):
        uses = ExternalUse.objects.for_organization(organization_id).filter(source_id=source_id)
        marketplaces = set(uses.values_list("marketplace_id", flat=True))
    for marketplace_id in marketplaces:
        sync_if_changed(organization_id=organization_id, marketplace_id=marketplace_id)


def sync_if_changed(*, organization_id: UUID, marketplace_id: UUID) -> None:
    """Request a sync if more is known of external sources than when the snapshot was planned, and it is time."""
    with within(organization_id):
        own = Marketplace.objects.for_organization(organization_id)
        marketplace = own.filter(pk=marketplace_id).first()
        if marketplace is None or is_up_to_date(marketplace):
            return
        under_way = _used_by(organization_id, marketplace_id).filter(ready() | Q(state=MirrorState.RUNNING))
        if under_way.count() % _TOGETHER:
            return
    actor = SystemActor(organization_id=organization_id, what="mirror")
    with contextlib.suppress(NotFound, SyncsStopped):  # the next sync that may begin sees it all the same
        request_sync(
            organization=organization_id, marketplace_id=marketplace_id, trigger=Trigger.MIRROR, actor=actor
        )


def sweep_mirrors() -> int:
    """Hint again at sources that wait or whose worker is gone; forget those long unused. Gives how many organizations."""
    with across_organizations(reason="sweep external sources"):
        sources = ExternalSource.objects.all_organizations()
        uses = ExternalUse.objects.all_organizations().filter(source=OuterRef("pk"))
        left = sources.filter(~Exists(uses), state=MirrorState.RUNNING, leased_until__lt=Now())
        left.update(state=MirrorState.WAITING, slot=None, leased_until=None)  # by a worker that is gone
        unused = sources.filter(~Exists(uses)).exclude(state=MirrorState.RUNNING)
        unused.filter(unused_since=None).update(unused_since=Now())  # their marketplace was deleted
        unused.filter(unused_since__lt=Now() - timedelta(seconds=_UNUSED_SECONDS)).delete()
        found = list(
            sources.filter(ready(), Exists(uses)).values_list("organization_id", flat=True).distinct()
        )
    for organization_id in found:
        _hint(organization_id)
    return len(found)


def hint_on_commit(organization_id: UUID) -> None:
    """Tell workers that sources wait, once these are there to be seen. A lost hint costs a sweep's pause, no more."""
    transaction.on_commit(lambda: _hint(organization_id), robust=True)


def _used_by(organization_id: UUID, marketplace_id: UUID) -> ScopedQuerySet[ExternalSource]:
    uses = ExternalUse.objects.for_organization(organization_id).filter(marketplace_id=marketplace_id)
    sources = ExternalSource.objects.for_organization(organization_id)
    return sources.filter(Exists(uses.filter(source=OuterRef("pk"))))


def _hint(organization_id: UUID) -> None:
    """Send as many messages as sources may run at once; each that finds nothing to do costs one query."""
    whose = {"organization_id": str(organization_id)}
    for _ in range(AT_ONCE):
        _courier.send(
            lambda: current_app.send_task(
                "marketplaces.tasks.mirror_source", kwargs=whose, expires=HINT_EXPIRES_SECONDS, retry=False
            )
        )
