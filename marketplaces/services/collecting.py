"""Forget what nothing reaches any more: snapshots, listings, the bytes of releases, blobs.

Many small transactions, each of which leaves everything true: a collection that was killed is simply done again. The
roots are `roots.kept_snapshots` and what `Dependents` hold. Why no import, reader or download loses anything: ADR 11.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, connection
from django.db.models import Exists, ForeignKey, Model, OuterRef, QuerySet
from django.db.models.functions import Now

from marketplaces.models import (
    Blob,
    MirrorState,
    PluginListing,
    Release,
    ReleaseFile,
    RunState,
    SkillListing,
    Snapshot,
    VersionEntry,
)
from marketplaces.services.access import lock_policy
from marketplaces.services.leases import LEASE_SECONDS
from marketplaces.services.roots import kept_snapshots
from skillport.scoping import OrganizationOwned, within

logger = logging.getLogger(__name__)

CLAIM_SECONDS: Final = 2 * LEASE_SECONDS
# How much one transaction takes at most. A publishing import waits for it, so it ends well within a second.
_SNAPSHOTS: Final = 20
_LISTINGS: Final = 1000
_RELEASES: Final = 200
_FILES: Final = 5000
_BLOBS: Final = 2000


@dataclass(frozen=True, slots=True)
class Dependents:
    """What lives on releases and stands above this package.

    `held` gives a queryset with the ids of releases that somebody may still download; `forget` deletes what was made of
    the bytes of these releases. Both run inside the organization's `within`.
    """

    held: Callable[[UUID], "QuerySet[OrganizationOwned, int]"]
    forget: Callable[[UUID, list[int]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """How many rows are gone; for `releases`, how many lost their bytes and kept their header."""

    snapshots: int
    listings: int
    releases: int
    headers: int
    blobs: int
    blob_bytes: int

    @property
    def is_nothing(self) -> bool:
        return not any((self.snapshots, self.listings, self.releases, self.headers, self.blobs))


def collect(organization_id: UUID, dependents: Dependents) -> Collected:
    """Forget what the organization cannot reach any more. May run beside itself, imports and readers."""
    snapshots = _until_nothing(lambda: _forget_snapshots(organization_id))
    listings = _until_nothing(lambda: _forget_listings(organization_id, PluginListing))
    listings += _until_nothing(lambda: _forget_listings(organization_id, SkillListing))
    releases = _until_nothing(lambda: _free_releases(organization_id, dependents))
    headers = _until_nothing(lambda: _forget_headers(organization_id))
    sizes = list(_forget_blobs(organization_id))
    collected = Collected(
        snapshots=snapshots, listings=listings, releases=releases, headers=headers, blobs=len(sizes), blob_bytes=sum(sizes)
    )  # fmt: skip
    if not collected.is_nothing:
        logger.info(
            "Collected",
            extra={
                "organization": str(organization_id),
                "snapshots": snapshots,
                "releases": releases,
                "blobs": collected.blobs,
                "blob_bytes": collected.blob_bytes,
            },
        )
    return collected


def _until_nothing(step: Callable[[], int]) -> int:
    total = 0
    while done := step():
        total += done
    return total


def _forget_snapshots(organization_id: UUID) -> int:
    """Forget some snapshots that are no roots. Runs keep their commit, and lose the pointer."""
    with within(organization_id):
        lock_policy(organization_id)  # nobody publishes or goes back to an older snapshot meanwhile
        own = Snapshot.objects.for_organization(organization_id)
        kept = kept_snapshots(organization_id).filter(pk=OuterRef("pk"))
        gone = list(own.filter(~Exists(kept)).order_by("pk").values_list("pk", flat=True)[:_SNAPSHOTS])
        own.filter(pk__in=gone).delete()
        return len(gone)


def _forget_listings(organization_id: UUID, model: type[PluginListing] | type[SkillListing]) -> int:
    """Forget some listings whose whole range of snapshots is gone."""
    with within(organization_id):
        lock_policy(organization_id)
        own = model.objects.for_organization(organization_id)
        holding = Snapshot.objects.for_organization(organization_id).filter(
            marketplace=OuterRef("marketplace"), number__gte=OuterRef("first_number")
        )
        before_end = holding.filter(number__lt=OuterRef("end_number"))
        ended = own.filter(~Exists(before_end), end_number__isnull=False)
        still_open = own.filter(~Exists(holding), end_number=None)
        gone = [
            pk
            for unreachable in (ended, still_open)
            for pk in unreachable.order_by("pk").values_list("pk", flat=True)[:_LISTINGS]
        ]
        own.filter(pk__in=gone).delete()
        return len(gone)


def _free_releases(organization_id: UUID, dependents: Dependents) -> int:
    """Forget the files of some releases that nothing lists and nobody holds; each keeps its header.

    Under the policy lock, as everything that begins to list a release: what is not listed now is not about to be. Their
    blobs count as claimed just now, so that an import which saw them in use has its time to use them again.
    """
    with within(organization_id):
        lock_policy(organization_id)
        own = Release.objects.for_organization(organization_id)
        free = own.filter(
            ~Exists(PluginListing.objects.for_organization(organization_id).filter(release=OuterRef("pk"))),
            ~Exists(SkillListing.objects.for_organization(organization_id).filter(release=OuterRef("pk"))),
            collected_at=None,
        ).exclude(pk__in=dependents.held(organization_id))
        gone = _as_many_as_fit(free.order_by("pk").values_list("pk", "file_count")[:_RELEASES])
        files = ReleaseFile.objects.for_organization(organization_id).filter(release_id__in=gone)
        blobs = Blob.objects.for_organization(organization_id)
        blobs.filter(pk__in=files.values("blob_id")).update(claimed_at=Now())
        files.delete()
        dependents.forget(organization_id, gone)
        own.filter(pk__in=gone).update(collected_at=Now())
        return len(gone)


def _as_many_as_fit(releases: Iterable[tuple[int, int]]) -> list[int]:
    """Give the first release, and more while all of them together have few enough files."""
    chosen: list[int] = []
    files = 0
    for pk, file_count in releases:
        files += file_count
        if chosen and files > _FILES:
            break
        chosen.append(pk)
    return chosen


def _forget_headers(organization_id: UUID) -> int:
    """Forget some headers without bytes that no version in the ledger and no row of any table names."""
    with within(organization_id):
        lock_policy(organization_id)
        own = Release.objects.for_organization(organization_id)
        ledger = VersionEntry.objects.for_organization(organization_id).filter(digest=OuterRef("digest"))
        unnamed = own.filter(~Exists(ledger), collected_at__isnull=False)
        for model, field in _pointers_at(Release):
            rows = model.objects.for_organization(organization_id)
            unnamed = unnamed.filter(~Exists(rows.filter(**{field.name: OuterRef("pk")})))
        gone = list(unnamed.order_by("pk").values_list("pk", flat=True)[:_RELEASES])
        own.filter(pk__in=gone).delete()
        return len(gone)


def _pointers_at(target: type[Model]) -> "list[tuple[type[OrganizationOwned], ForeignKey[Any, Any]]]":
    """Give every table that points at `target`, of this package and of those above it, and by which field."""
    return [
        (model, field)
        for model in apps.get_models()
        if issubclass(model, OrganizationOwned)
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.related_model is target
    ]


def _forget_blobs(organization_id: UUID) -> Iterable[int]:
    """Forget the blobs that no file names and no import has claimed lately, page by page. Gives their sizes in bytes."""
    after = 0
    while True:
        with within(organization_id):
            own = Blob.objects.for_organization(organization_id).filter(pk__gt=after)
            page = list(own.order_by("pk").values_list("pk", flat=True)[:_BLOBS])
        if not page:
            return
        yield from _forget_blobs_between(organization_id, page[0], page[-1])
        after = page[-1]


def _forget_blobs_between(organization_id: UUID, first: int, last: int) -> list[int]:
    """Forget the loose ones of these blobs, and give their sizes.

    A claim is a lock: whoever claims waits for this statement or is skipped by it. While an import runs, what was claimed
    after it began stays, however long it takes; while another repository is mirrored, none goes. Which row names a blob is looked up blob by blob: as NOT EXISTS it becomes
    a join, and with statistics of before an import the planner would read every file for each of them.
    """
    quote = connection.ops.quote_name
    unnamed = " AND ".join(
        f"(SELECT f.id FROM {quote(model._meta.db_table)} f WHERE f.{quote(field.column)} = b.id LIMIT 1) IS NULL"  # noqa: S608 quoted
        for model, field in _pointers_at(Blob)
    )
    try:
        with within(organization_id), connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH gone AS MATERIALIZED (
                    SELECT b.id FROM marketplaces_blob b
                    WHERE b.organization_id = %s AND b.id BETWEEN %s AND %s
                      AND {unnamed}
                      AND b.claimed_at < least(statement_timestamp(), (
                          SELECT min(r.started_at) FROM marketplaces_syncrun r
                          WHERE r.organization_id = %s AND r.state = %s
                      )) - make_interval(secs => %s)
                      AND NOT EXISTS (
                          SELECT FROM marketplaces_externalsource e WHERE e.organization_id = %s AND e.state = %s
                            AND e.leased_until > statement_timestamp() - make_interval(secs => %s)
                      )
                    ORDER BY b.id FOR UPDATE SKIP LOCKED
                )
                DELETE FROM marketplaces_blob b USING gone WHERE b.id = gone.id
                RETURNING b.size_bytes
                """,  # noqa: S608 quoted
                [
                    organization_id,
                    first,
                    last,
                    organization_id,
                    RunState.RUNNING,
                    CLAIM_SECONDS,
                    organization_id,
                    MirrorState.RUNNING,
                    CLAIM_SECONDS,
                ],
            )
            return [size for (size,) in cursor.fetchall()]
    except IntegrityError:
        # The key of files is checked at once: somebody used such a blob long after claiming it, and keeps it.
        logger.warning(
            "A blob came into use while it was collected", extra={"organization": str(organization_id)}
        )
        return []
