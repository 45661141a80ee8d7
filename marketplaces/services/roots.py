"""What collection starts from: the snapshots whose content has to stay."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import F, Q, Value
from django.db.models.functions import Greatest, Now

from marketplaces.models import Snapshot
from skillport.scoping import ScopedQuerySet

# However short a marketplace keeps its snapshots: longer than any request that has begun to read one.
_AT_LEAST: Final = timedelta(hours=1)


def kept_snapshots(organization_id: UUID) -> ScopedQuerySet[Snapshot]:
    """Give the snapshots that stay: served, pinned, or served within their marketplace's `keep_days`.

    The days count from when a snapshot was served last and not from when it was imported: whoever read the catalog a
    moment before a newer commit arrived, or wants that commit taken back, finds everything of it still there. Inside the
    caller's own `within`.
    """
    served = Q(marketplace__current_snapshot=F("pk"))
    pinned = Q(commit=F("marketplace__pinned_commit"))
    days = Greatest(F("marketplace__keep_days") * Value(timedelta(days=1)), Value(_AT_LEAST))
    recently = Q(served_until=None) | Q(served_until__gt=Now() - days)
    return Snapshot.objects.for_organization(organization_id).filter(served | pinned | recently)
