"""Mirror one external source: ask, fetch, read, store. A bounded job of its own, after what lists it was published.

Nothing is served from here: what has arrived is planned and published by a sync of the marketplaces that use it.
"""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Now

from marketplaces.git.commit import BlobReader, list_files
from marketplaces.git.errors import (
    CredentialRefused,
    FetchFailed,
    GitStopped,
    RateLimited,
    RepositoryNotFound,
)
from marketplaces.git.head import Remote, ask_head
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection
from marketplaces.git.tree import SUBMODULE, TreeEntry
from marketplaces.models import Blob, ExternalFile, ExternalSource, ExternalUse, MirrorState
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.services.caps import LIMITS, MAX_ATTEMPTS, MAX_BYTES, MAX_ENTRIES
from marketplaces.services.external import leases, queue
from marketplaces.services.external.known import covers
from marketplaces.services.external.leases import Lease
from marketplaces.services.leases import LeaseLost, renewing
from marketplaces.services.storing import Stored, store_blobs
from marketplaces.services.worker import Worker
from skillport.errors import SkillportError
from skillport.scoping import within

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS: Final = 24 * 3600
_ROWS: Final = 2_000
MOST_FILES_OF_ORGANIZATION: Final = 300_000  # rows that no quota of bytes counts


class CredentialNeeded(SkillportError):
    """A host does not show the repository to anybody who asks."""

    code = "external_credential_needed"
    status = 422
    message = (
        "The git host does not show this repository without a credential, and the marketplace's own one is never "
        "used for it. Check the address, or bind a credential to the host under “External sources”."
    )


class CommitNotThere(SkillportError):
    """A host answers, and does not have the commit, or does not give it away."""

    code = "external_commit_missing"
    status = 422
    message = (
        "The git host answers, but did not deliver the commit that `sha` names. Check that it is still on a branch or "
        "tag of this repository. It is tried again by itself."
    )


class TooManyMirroredFiles(SkillportError):
    code = "external_too_many_files"
    status = 422
    message = (
        f"The mirrors of this organization would list more than {MOST_FILES_OF_ORGANIZATION:,} files. Remove plugins that "
        "nobody needs from marketplace.json; what they leave is forgotten after a day."
    )


class _Unexpected(SkillportError):
    code = "unexpected"
    status = 500
    message = (
        "Something went wrong inside Skillport, and is tried again by itself. If it stays, tell whoever runs Skillport: "
        "its log has the details."
    )


class _WorkersLost(SkillportError):
    code = "workers_lost"
    status = 500
    message = (
        f"Mirroring was given up: {MAX_ATTEMPTS} workers ended in the middle of it, perhaps for want of memory. Their "
        "logs may say why. It is tried again later."
    )


def run_next(*, organization_id: UUID, worker: Worker) -> bool:
    """Mirror the source of the organization that has waited longest. Gives False where none was to be taken up.

    Every outcome is written on the source; nothing is raised.
    """
    lease = leases.take_next(organization_id=organization_id, worker=worker.name)
    if lease is None:
        return False
    with renewing(lambda: leases.renew(lease), told={"external_source": lease.source_id}):
        try:
            if lease.attempt <= MAX_ATTEMPTS:
                _mirror(lease, worker)
            else:
                _fail(lease, _WorkersLost())
        except LeaseLost:
            logger.info("Another worker took over", extra={"external_source": lease.source_id})
        except GitStopped:
            leases.give_back(lease)
        except SkillportError as error:
            logger.info("Mirror failed", extra={"external_source": lease.source_id, "code": error.code})
            _fail(lease, error)
        except Exception:
            logger.exception("Mirror failed unexpectedly", extra={"external_source": lease.source_id})
            _fail(lease, _Unexpected())
    if not worker.git.processes.stopping.is_set():
        queue.put_in_place(organization_id=organization_id, source_id=lease.source_id)
        queue.hint_on_commit(organization_id)
    return True


def _mirror(lease: Lease, worker: Worker) -> None:
    with within(lease.organization_id):
        held = leases.held(lease).select_related("credential").first()
        if held is None:
            raise LeaseLost
        uses = ExternalUse.objects.for_organization(lease.organization_id).filter(source=held)
        folders = _widest(set(uses.values_list("folder", flat=True)))
        remote = _remote(held)
    try:
        commit = held.sha
        if not commit:
            head = ask_head(remote, held.ref, worker.outbound, or_tag=True)
            commit, remote = head.commit, _at(remote, head.url)
        if commit != held.commit or not all(covers(held, folder) for folder in folders):
            _fetch(lease, commit, folders, remote, worker, is_pinned=bool(held.sha))
            return
    except (CredentialRefused, RepositoryNotFound):
        if held.credential is None:
            raise CredentialNeeded from None
        raise
    leases.finish(lease, MirrorState.MIRRORED, **_WELL)


def _at(remote: Remote, url: str) -> Remote:
    return Remote(url, remote.username, remote.credential)


_WELL: Final[dict[str, Any]] = {"failures": 0, "error_code": "", "error_message": "", "not_before": None}


def _remote(source: ExternalSource) -> Remote:
    # SECURITY: never the marketplace's own token. Who writes its catalog chooses this address, and would be sent it.
    if source.credential is None:
        return Remote(source.url)
    return Remote(source.url, source.credential.username, source.credential.credential.open())


def _widest(folders: set[str]) -> list[str]:
    """Leave out the folders that are inside others; '' is all of the repository."""
    if "" in folders:
        return [""]
    return sorted(one for one in folders if not any(one.startswith(f"{other}/") for other in folders))


def _fetch(
    lease: Lease, commit: str, folders: Sequence[str], remote: Remote, worker: Worker, *, is_pinned: bool
) -> None:
    """Fetch the commit into a copy of its own, which lasts no longer than this job: disk stays bounded by workers."""
    place = worker.mirrors_of(lease.organization_id) / str(lease.source_id)
    try:
        copy = KeptCopy(place, fence=lease.fence, program=worker.git, blob_limit=LIMITS.file_bytes)
        try:
            copy.fetch(commit, Connection(remote, worker.outbound.check(remote.url)))
        except FetchFailed:
            if not is_pinned:
                raise
            # git does not tell why. The host does, when it is asked: it may only know another spelling of the address.
            head = ask_head(remote, "", worker.outbound)
            if head.url == remote.url:
                raise CommitNotThere from None
            copy.fetch(commit, Connection(_at(remote, head.url), worker.outbound.check(head.url)))
        leases.renew(lease)
        entries = list(
            list_files(
                worker.git, copy.path, commit, max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES,
                below=[folder for folder in folders if folder],
            )
        )  # fmt: skip
        with BlobReader.opened(worker.git, copy.path) as reader:
            sizes = {entry.git_id: entry.size_bytes or 0 for entry in entries if _is_kept(entry)}
            stored = store_blobs(
                lease.organization_id, sizes, reader.read_many, lambda _done, _total: leases.renew(lease)
            )
        _write(lease, commit, folders, entries, stored)
    finally:
        _remove(place, lease.fence)


def _is_kept(entry: TreeEntry) -> bool:
    return entry.mode != SUBMODULE and entry.size_bytes is not None and entry.size_bytes <= LIMITS.file_bytes


def _write(
    lease: Lease, commit: str, folders: Sequence[str], entries: Sequence[TreeEntry], stored: Stored
) -> None:
    """Replace the mirrored tree in one transaction, and end the job. Raises `LeaseLost`."""
    with within(lease.organization_id):
        if leases.held(lease).select_for_update().first() is None:
            raise LeaseLost
        before = ExternalFile.objects.for_organization(lease.organization_id).filter(
            source_id=lease.source_id
        )
        # A sync may be reading what goes now: collection leaves it alone for a while.
        loose = Blob.objects.for_organization(lease.organization_id).filter(pk__in=before.values("blob"))
        loose.update(claimed_at=Now())
        before.delete()
        ExternalFile.objects.bulk_create(
            (
                ExternalFile(
                    organization_id=lease.organization_id, source_id=lease.source_id, path=entry.path,
                    mode=entry.mode, git_id=entry.git_id, size_bytes=entry.size_bytes,
                    blob_id=stored[entry.git_id].pk if _is_kept(entry) else None,
                )
                for entry in entries
            ),
            batch_size=_ROWS,
        )  # fmt: skip
        size = sum(entry.size_bytes or 0 for entry in entries)
        others = ExternalSource.objects.for_organization(lease.organization_id).exclude(pk=lease.source_id)
        listed = others.aggregate(files=Sum("file_count"))["files"] or 0
        if listed + len(entries) > MOST_FILES_OF_ORGANIZATION:
            raise TooManyMirroredFiles
        uses = ExternalUse.objects.for_organization(lease.organization_id).filter(source_id=lease.source_id)
        lacking = set(_widest({*folders, *uses.values_list("folder", flat=True)})) - set(folders)
        state = MirrorState.WAITING if lacking else MirrorState.MIRRORED  # somebody lists more of it by now
        leases.finish(
            lease, state, commit=commit, folders=list(folders), file_count=len(entries), size_bytes=size,
            mirrored_at=Now(), **_WELL,
        )  # fmt: skip


def _remove(place: Path, fence: int) -> None:
    """Remove the copies up to our own; a newer worker on the same disk may have one by now."""
    for path in place.glob("*"):
        if not path.stem.isdigit() or int(path.stem) <= fence:
            shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        place.rmdir()


def _fail(lease: Lease, error: SkillportError) -> None:
    """Write down why, and when it is tried again: later each time, and not before its host's pause is over."""
    with within(lease.organization_id):
        source = leases.held(lease).first()
        if source is None:
            return
        pause = min(POLL_SECONDS * 2 ** min(source.failures, 10), _LONGEST_PAUSE_SECONDS)
        if isinstance(error, RateLimited):
            pause = error.retry_after_seconds or POLL_SECONDS
            others = ExternalSource.objects.for_organization(lease.organization_id)
            others.filter(host=source.host, state=MirrorState.WAITING).update(
                not_before=Now() + timedelta(seconds=pause)
            )
        if isinstance(error, CredentialRefused) and source.credential_id is not None:
            others = ExternalSource.objects.for_organization(lease.organization_id)
            others.filter(credential_id=source.credential_id, state=MirrorState.WAITING).update(
                state=MirrorState.FAILED, error_code=error.code, error_message=error.message
            )
        leases.finish(
            lease, MirrorState.FAILED, error_code=error.code, error_message=error.message,
            failures=min(source.failures + 1, 1_000), not_before=Now() + timedelta(seconds=pause),
        )  # fmt: skip
