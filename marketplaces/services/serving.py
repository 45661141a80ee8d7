"""Which snapshot of a marketplace is served: the one place that changes it."""

from django.db.models.functions import Now

from marketplaces.models import Marketplace, Snapshot


def serve(marketplace: Marketplace, snapshot: Snapshot) -> None:
    """Let every reader see `snapshot` from the end of the caller's transaction on, which holds the marketplace's lock.

    The one that was served until now is stamped with the time: what is kept of it counts from there (`roots.py`).
    """
    snapshots = Snapshot.objects.for_organization(marketplace.organization_id)
    if marketplace.current_snapshot_id is not None:
        snapshots.filter(pk=marketplace.current_snapshot_id).update(served_until=Now())
    snapshots.filter(pk=snapshot.pk).update(served_until=None)
    own = Marketplace.objects.for_organization(marketplace.organization_id).filter(pk=marketplace.pk)
    own.update(current_snapshot=snapshot)
    marketplace.current_snapshot = snapshot
