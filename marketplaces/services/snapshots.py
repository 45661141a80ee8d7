"""The snapshots that are kept of a marketplace: one commit each, the newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import OuterRef, Subquery

from marketplaces.models import Marketplace, Snapshot
from skillport.errors import NotFound
from skillport.permissions import Permission, require
from skillport.principal import Principal
from skillport.scoping import within

SNAPSHOTS_A_PAGE: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A snapshot. `before` is the number of the kept one before it; `is_served` tells whether members get this one."""

    number: int
    commit: str
    author: str
    subject: str
    committed_at: datetime
    imported_at: datetime
    plugins: int
    skills: int
    is_served: bool
    before: int | None


def list_snapshots(*, principal: Principal, marketplace_id: UUID, before: int | None = None) -> list[Kept]:
    """Give the marketplace's snapshots, the newest first, at most 100; `before` goes on from the last one's number.

    Raises `NotAllowed` or `NotFound`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        if (
            not Marketplace.objects.for_organization(principal.organization)
            .filter(pk=marketplace_id)
            .exists()
        ):
            raise NotFound
        rows = kept_of(principal, marketplace_id)
        if before is not None:
            rows = rows.filter(number__lt=before)
        return [shape(row) for row in rows.order_by("-number")[:SNAPSHOTS_A_PAGE]]


def kept_of(principal: Principal, marketplace_id: UUID) -> Any:
    """Give the query for a marketplace's snapshots, with what `shape` needs. Runs inside the caller's scope."""
    own = Snapshot.objects.for_organization(principal.organization).filter(marketplace_id=marketplace_id)
    older = Snapshot.objects.for_organization(principal.organization).filter(
        marketplace_id=marketplace_id, number__lt=OuterRef("number")
    )
    return own.select_related("marketplace").annotate(
        number_before=Subquery(older.order_by("-number").values("number")[:1])
    )


def shape(row: Any) -> Kept:
    return Kept(
        number=row.number,
        commit=row.commit,
        author=row.author,
        subject=row.subject,
        committed_at=row.committed_at,
        imported_at=row.imported_at,
        plugins=row.plugin_count,
        skills=row.skill_count,
        is_served=row.marketplace.current_snapshot_id == row.pk,
        before=row.number_before,
    )
