"""Store what a commit holds: blobs first, in small transactions, then releases made of them.

Rows go in by `INSERT … SELECT FROM unnest(…)`: PostgreSQL refuses COPY into a table behind row-level security.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from marketplaces.manifest.digests import release_digest
from marketplaces.manifest.plan import PlannedFile
from marketplaces.models import Blob, Release, ReleaseFile
from marketplaces.services import quotas
from marketplaces.services.access import lock_policy
from skillport.scoping import within

_BATCH_BYTES: Final = 4 * 2**20
_BATCH_ROWS: Final = 500
_FILE_ROWS: Final = 2000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    pk: int
    digest: bytes


Stored = Mapping[str, StoredBlob]  # by git id


def store_blobs(
    organization_id: UUID,
    sizes: Mapping[str, int],
    read: Callable[[str], bytes],
    progress: Callable[[int, int], None],
) -> Stored:
    """Make sure that every blob is stored, and give where, by git id. Only unknown ones are read.

    `sizes` are in bytes, by git id. Raises `StorageFull` before anything is stored, or in the middle when another import
    has taken the room meanwhile; what was stored by then is collected.
    Each that no file names yet is claimed, so that collection leaves it alone until a release uses it. `progress(done,
    total)` is called between batches.
    """
    wanted = sorted(sizes)
    stored: dict[str, StoredBlob] = {}
    for ids in _batches(wanted, _BATCH_ROWS):
        stored.update(_claim_known(organization_id, ids))
    unknown = [git_id for git_id in wanted if git_id not in stored]
    with within(organization_id):
        quotas.require_room(organization_id, sum(sizes[git_id] for git_id in unknown))
    progress(len(stored), len(wanted))
    for contents in _read_in_batches(unknown, read):
        stored.update(_insert_blobs(organization_id, contents))
        progress(len(stored), len(wanted))
    return stored


def _claim_known(organization_id: UUID, git_ids: Sequence[str]) -> Stored:
    with within(organization_id):
        known = Blob.objects.for_organization(organization_id).filter(git_id__in=git_ids)
        files = ReleaseFile.objects.for_organization(organization_id).filter(blob=OuterRef("pk"))
        # Looked up one by one, and not joined: what the planner knows of the tables may be older than the last import.
        loose = known.annotate(named=Subquery(files.values("pk")[:1])).filter(named=None)
        loose = loose.order_by("pk").select_for_update(no_key=True, of=["self"])
        claimed = list(
            loose.values_list("pk", flat=True)
        )  # locked in one order, whoever else claims them too
        known.filter(pk__in=claimed).update(claimed_at=Now())
        rows = known.values_list("git_id", "id", "digest")
        return {git_id: StoredBlob(pk, bytes(digest)) for git_id, pk, digest in rows}


def _read_in_batches(git_ids: Iterable[str], read: Callable[[str], bytes]) -> Iterator[dict[str, bytes]]:
    batch: dict[str, bytes] = {}
    size = 0
    for git_id in git_ids:
        batch[git_id] = read(git_id)
        size += len(batch[git_id])
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _insert_blobs(organization_id: UUID, contents: Mapping[str, bytes]) -> Stored:
    digests = {git_id: hashlib.sha256(content).digest() for git_id, content in contents.items()}
    # One row per digest: ON CONFLICT cannot touch the same row twice. Sorted, so that two imports never wait for each other.
    once = dict(sorted((digest, git_id) for git_id, digest in digests.items()))
    with within(organization_id), connection.cursor() as cursor:
        quotas.lock_storage(organization_id)
        quotas.require_room(organization_id, sum(len(contents[git_id]) for git_id in once.values()))
        cursor.execute(
            """
            INSERT INTO marketplaces_blob (organization_id, digest, git_id, size_bytes, content)
            SELECT %s, digest, git_id, length(content), content
            FROM unnest(%s::bytea[], %s::text[], %s::bytea[]) AS new (digest, git_id, content)
            ON CONFLICT (organization_id, digest) DO UPDATE SET claimed_at = statement_timestamp()
            RETURNING id, digest
            """,
            [
                organization_id,
                list(once),
                list(once.values()),
                [contents[git_id] for git_id in once.values()],
            ],
        )
        ids = {bytes(digest): pk for pk, digest in cursor.fetchall()}
    return {git_id: StoredBlob(ids[digest], digest) for git_id, digest in digests.items()}


def digest_of(files: Sequence[PlannedFile], stored: Stored) -> bytes:
    """Give the digest of the release that consists of `files`."""
    return release_digest((file.path, file.executable, stored[file.git_id].digest) for file in files)


def ensure_releases(
    organization_id: UUID, releases: Mapping[bytes, Sequence[PlannedFile]], stored: Stored
) -> dict[bytes, int]:
    """Write the releases that are not there yet, and give the id of each by digest. Runs inside the flip.

    One whose files were collected gets them again. Under the policy lock collection cannot take them away meanwhile.
    """
    lock_policy(organization_id)
    owned = Release.objects.for_organization(organization_id)
    ids: dict[bytes, int] = {}
    empty: list[bytes] = []
    for digests in _batches(list(releases), _BATCH_ROWS):
        known = owned.filter(digest__in=digests).values_list("digest", "id", "collected_at")
        ids.update({bytes(digest): pk for digest, pk, _ in known})
        empty += [bytes(digest) for digest, _, collected_at in known if collected_at]
    new = [digest for digest in releases if digest not in ids]
    if new:
        made = Release.objects.bulk_create(
            Release(
                organization_id=organization_id,
                digest=digest,
                file_count=len(releases[digest]),
                size_bytes=sum(file.size_bytes for file in releases[digest]),
            )
            for digest in new
        )
        ids.update({bytes(release.digest): release.pk for release in made})
    owned.filter(digest__in=empty).update(collected_at=None)
    files = [
        (ids[digest], file, stored[file.git_id].pk) for digest in [*new, *empty] for file in releases[digest]
    ]
    for batch in _batches(files, _FILE_ROWS):
        _insert_files(organization_id, batch)
    return ids


def _insert_files(organization_id: UUID, files: Sequence[tuple[int, PlannedFile, int]]) -> None:
    columns: list[Any] = [
        [release for release, _, _ in files],
        [file.path for _, file, _ in files],
        [file.executable for _, file, _ in files],
        [blob for _, _, blob in files],
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO marketplaces_releasefile (organization_id, release_id, path, executable, blob_id)
            SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::boolean[], %s::bigint[])
            """,
            [organization_id, *columns],
        )


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
