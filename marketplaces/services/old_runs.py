"""Forget old syncs: what found nothing new after a week, everything after a year."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Now

from marketplaces.models import RunState, SyncRun
from skillport.scoping import within

UNCHANGED_KEPT: Final = timedelta(days=7)
KEPT: Final = timedelta(days=365)
MOST_KEPT: Final = 2000  # of a marketplace, whatever their age: a host may announce a commit every second
_AT_ONCE: Final = 500


def forget_old_runs(organization_id: UUID) -> int:
    """Forget, with their findings, the syncs that nobody looks up any more, but the newest of each marketplace.

    Gives how many.
    """
    total = 0
    while forgotten := _forget_some(organization_id):
        total += forgotten
    return total


def _forget_some(organization_id: UUID) -> int:
    with within(organization_id):
        runs = SyncRun.objects.for_organization(organization_id)
        newer = runs.filter(marketplace=OuterRef("marketplace")).order_by("-pk").values("pk")
        old = (
            Q(state=RunState.UNCHANGED, ended_at__lt=Now() - UNCHANGED_KEPT)
            | Q(ended_at__lt=Now() - KEPT)
            | Q(pk__lte=Subquery(newer[MOST_KEPT : MOST_KEPT + 1]))
        )
        ended = runs.filter(ended_at__isnull=False).exclude(pk=Subquery(newer[:1]))
        found = list(ended.filter(old).order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])
        runs.filter(pk__in=found).delete()
        return len(found)
