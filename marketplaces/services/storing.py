"""Store what a commit holds: blobs first, in small transactions, then releases made of them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from django.db import OperationalError

from marketplaces.manifest.digests import release_digest
from marketplaces.manifest.plan import PlannedFile
from marketplaces.models import Release
from marketplaces.services import bulk, quotas
from marketplaces.services.access import lock_policy
from skillport.scoping import within

_BATCH_BYTES: Final = 2 * 2**20
_BATCH_ROWS: Final = 1000
_RELEASE_ROWS: Final = 500
_FILE_ROWS: Final = 2000
_TRIES: Final = 3
_LOCKED: Final = {"55P03", "40P01"}  # waited too long for a lock, or in a circle (PostgreSQL, appendix A)

T = TypeVar("T")

ReadMany = Callable[[Sequence[str]], Sequence[bytes]]  # the contents of these git ids, in their order


@dataclass(frozen=True, slots=True)
class StoredBlob:
    pk: int
    digest: bytes


Stored = Mapping[str, StoredBlob]  # by git id


def store_blobs(
    organization_id: UUID,
    sizes: Mapping[str, int],
    read_many: ReadMany,
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
    for ids in bulk.batches(wanted, _BATCH_ROWS):
        stored.update(_again_if_locked(partial(_claim_known, organization_id, ids)))
    unknown = [git_id for git_id in wanted if git_id not in stored]
    with within(organization_id):
        quotas.require_room(organization_id, sum(sizes[git_id] for git_id in unknown))
    progress(len(stored), len(wanted))
    for ids in _small_enough(unknown, sizes):
        contents = dict(zip(ids, read_many(ids), strict=True))
        stored.update(_again_if_locked(partial(_insert_blobs, organization_id, contents)))
        progress(len(stored), len(wanted))
    return stored


def _again_if_locked(step: Callable[[], T]) -> T:
    """Do a transaction of its own, and again when a lock of somebody else's ended it: a whole import hangs on it."""
    for _ in range(_TRIES - 1):
        try:
            return step()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _LOCKED:
                raise
    return step()


def _claim_known(organization_id: UUID, git_ids: Sequence[str]) -> Stored:
    """Claim those that are stored and no file names, and give all that are stored."""
    given = [organization_id, git_ids]
    with within(organization_id):
        # Names are looked up one by one, and not joined: what the planner knows of the tables may be older than the last
        # import. Locked in one order, whoever else claims them too, and in a statement of its own: inside of another it
        # might be done once for each row. Then asked for again, without what was just collected.
        loose = bulk.execute(
            """
            SELECT b.id FROM marketplaces_blob b
            WHERE b.organization_id = %s AND b.git_id = ANY(%b::text[])
              AND (SELECT f.id FROM marketplaces_releasefile f WHERE f.blob_id = b.id LIMIT 1) IS NULL
            ORDER BY b.id FOR NO KEY UPDATE
            """,
            given,
        )
        if loose:
            bulk.execute(
                "UPDATE marketplaces_blob SET claimed_at = statement_timestamp()"
                " WHERE organization_id = %s AND id = ANY(%b::bigint[])",
                [organization_id, [pk for (pk,) in loose]],
            )
        rows = bulk.execute(
            "SELECT git_id, id, digest FROM marketplaces_blob WHERE organization_id = %s AND git_id = ANY(%b::text[])",
            given,
        )
    return {git_id: StoredBlob(pk, digest) for git_id, pk, digest in rows}


def _small_enough(git_ids: Iterable[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Give the ids in batches that fit into memory and into one transaction."""
    batch: list[str] = []
    size = 0
    for git_id in git_ids:
        if batch and (size + sizes[git_id] > _BATCH_BYTES or len(batch) == _BATCH_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(git_id)
        size += sizes[git_id]
    if batch:
        yield batch


def _insert_blobs(organization_id: UUID, contents: Mapping[str, bytes]) -> Stored:
    digests = {git_id: hashlib.sha256(content).digest() for git_id, content in contents.items()}
    # One row per digest: ON CONFLICT cannot touch the same row twice. Sorted, so that two imports never wait for each other.
    once = dict(sorted((digest, git_id) for git_id, digest in digests.items()))
    with within(organization_id):
        quotas.lock_storage(organization_id)
        quotas.require_room(organization_id, sum(len(contents[git_id]) for git_id in once.values()))
        rows = bulk.execute(
            """
            INSERT INTO marketplaces_blob (organization_id, digest, git_id, size_bytes, content)
            SELECT %s, digest, git_id, length(content), content
            FROM unnest(%b::bytea[], %b::text[], %b::bytea[]) AS new (digest, git_id, content)
            ON CONFLICT (organization_id, digest) DO UPDATE SET claimed_at = statement_timestamp()
            RETURNING digest, id
            """,
            [
                organization_id,
                list(once),
                list(once.values()),
                [contents[git_id] for git_id in once.values()],
            ],
        )
    ids = dict(rows)
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
    for digests in bulk.batches(list(releases), _RELEASE_ROWS):
        known = bulk.execute(
            "SELECT digest, id, collected_at IS NOT NULL FROM marketplaces_release"
            " WHERE organization_id = %s AND digest = ANY(%b::bytea[])",
            [organization_id, digests],
        )
        ids.update({digest: pk for digest, pk, _ in known})
        empty += [digest for digest, _, is_collected in known if is_collected]
    new = [digest for digest in releases if digest not in ids]
    for digests in bulk.batches(new, _RELEASE_ROWS):
        ids.update(_insert_releases(organization_id, {digest: releases[digest] for digest in digests}))
    owned.filter(digest__in=empty).update(collected_at=None)
    files = [
        (ids[digest], file, stored[file.git_id].pk) for digest in [*new, *empty] for file in releases[digest]
    ]
    for batch in bulk.batches(files, _FILE_ROWS):
        _insert_files(organization_id, batch)
    return ids


def _insert_releases(
    organization_id: UUID, releases: Mapping[bytes, Sequence[PlannedFile]]
) -> dict[bytes, int]:
    counts = [len(files) for files in releases.values()]
    sizes = [sum(file.size_bytes for file in files) for files in releases.values()]
    rows = bulk.execute(
        """
        INSERT INTO marketplaces_release (organization_id, digest, file_count, size_bytes)
        SELECT %s, * FROM unnest(%b::bytea[], %b::integer[], %b::bigint[]) RETURNING digest, id
        """,
        [organization_id, list(releases), counts, sizes],
    )
    return dict(rows)


def _insert_files(organization_id: UUID, files: Sequence[tuple[int, PlannedFile, int]]) -> None:
    bulk.execute(
        """
        INSERT INTO marketplaces_releasefile (organization_id, release_id, path, executable, blob_id)
        SELECT %s, * FROM unnest(%b::bigint[], %b::text[], %b::boolean[], %b::bigint[])
        """,
        [
            organization_id,
            [release for release, _, _ in files],
            [file.path for _, file, _ in files],
            [file.executable for _, file, _ in files],
            [blob for _, _, blob in files],
        ],
    )
