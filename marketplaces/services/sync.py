"""Bring a marketplace up to date: ask, fetch, read, store, publish.

No transaction is open while another host is asked. A failed or killed run leaves the old snapshot served.
"""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models.functions import Now

from marketplaces import progress
from marketplaces.git.commit import BlobReader, CommitInfo, describe, list_files
from marketplaces.git.errors import FetchFailed, GitStopped, RateLimited
from marketplaces.git.head import Head, Remote, ask_head
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.plan import Catalog
from marketplaces.models import Marketplace, Phase, RunState
from marketplaces.services import leases, queue
from marketplaces.services.leases import Lease, LeaseLost
from marketplaces.services.publishing import publish
from marketplaces.services.queue import POLL_SECONDS
from marketplaces.services.storing import Stored, store_blobs
from marketplaces.services.worker import Worker
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.principal import SystemActor
from skillport.scoping import within

logger = logging.getLogger(__name__)

MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 200 * 2**20
LIMITS: Final = Limits()


def run(*, organization_id: UUID, sync_run_id: int, worker: Worker) -> None:
    """Do one queued run, if it is still to be done. Every outcome is written on the run; nothing is raised."""
    lease = leases.take(organization_id=organization_id, sync_run_id=sync_run_id, worker=worker.name)
    if lease is None:
        return
    with leases.renewed(lease):
        try:
            _bring_up_to_date(lease, worker)
        except LeaseLost:
            logger.info("Another worker took over", extra={"sync_run": sync_run_id})
        except GitStopped:
            leases.give_back(lease)
        except SkillportError as error:
            logger.info("Sync failed", extra={"sync_run": sync_run_id, "code": error.code})
            _fail(lease, error)
        except Exception:
            logger.exception("Sync failed unexpectedly", extra={"sync_run": sync_run_id})
            _fail(lease, _Unexpected())
    if not worker.git.processes.stopping.is_set():
        queue.hint_at_next(lease.organization_id, lease.marketplace_id)


class _Unexpected(SkillportError):
    code = "unexpected"
    status = 500
    message = (
        "Something went wrong inside Skillport. The log has the details; it is tried again at the next sync."
    )


def _bring_up_to_date(lease: Lease, worker: Worker) -> None:
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).select_related("current_snapshot")
        marketplace = own.get(pk=lease.marketplace_id)
        served = marketplace.current_snapshot.commit if marketplace.current_snapshot else None
        remote = Remote(marketplace.url, marketplace.username, marketplace.credential.open())
    head = ask_head(remote, marketplace.branch, worker.outbound)
    if head.url != remote.url:
        _correct_address(lease, head)
        remote = Remote(head.url, remote.username, remote.credential)
    if head.commit == served:
        _end(lease, RunState.UNCHANGED, commit=head.commit)
    else:
        _import(lease, head, remote, worker)
    _poll_again(lease, POLL_SECONDS)


def _import(lease: Lease, head: Head, remote: Remote, worker: Worker) -> None:
    _tell(lease, Phase.FETCHING)
    copy = KeptCopy(
        worker.copies_of(lease.organization_id, lease.marketplace_id),
        fence=lease.fence, program=worker.git, blob_limit=LIMITS.file_bytes,
    )  # fmt: skip
    copy.fetch(head.commit, Connection(remote, worker.outbound.check(remote.url)))
    _tell(lease, Phase.READING)
    try:
        info, catalog, stored = _read(lease, head, worker, copy)
    except FetchFailed:
        copy.delete()  # what was fetched cannot be read, and would not be better the next time
        raise
    _tell(lease, Phase.PUBLISHING)
    changes = publish(lease, commit=head.commit, info=info, catalog=catalog, stored=stored)
    progress.publish(
        lease.organization_id,
        {
            **_about(lease),
            "state": RunState.SUCCEEDED,
            "commit": head.commit,
            "changed_skills": changes.skills,
        },
    )
    logger.info(
        "Snapshot published",
        extra={"sync_run": lease.sync_run_id, "commit": head.commit, "skills": changes.skills},
    )


def _read(lease: Lease, head: Head, worker: Worker, copy: KeptCopy) -> tuple[CommitInfo, Catalog, Stored]:
    """Read the commit out of the copy and store its files."""
    info = describe(worker.git, copy.path, head.commit)
    entries = list_files(worker.git, copy.path, head.commit, max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)
    with BlobReader.opened(worker.git, copy.path) as reader:
        catalog = read_catalog(entries, reader.read, LIMITS)
        stored = store_blobs(
            lease.organization_id,
            _git_ids(catalog),
            reader.read,
            lambda done, total: _tell(lease, Phase.STORING, done, total),
        )
    return info, catalog, stored


def _tell(lease: Lease, phase: Phase, done: int = 0, total: int = 0) -> None:
    """Write down how far the run is, then say so to whoever is watching. Raises `LeaseLost`."""
    leases.report(lease, phase, done, total)
    progress.publish(lease.organization_id, {**_about(lease), "phase": phase, "done": done, "total": total})


def _end(lease: Lease, state: RunState, **outcome: object) -> None:
    leases.finish(lease, state, **outcome)
    progress.publish(lease.organization_id, {**_about(lease), "state": state, **outcome})


def _about(lease: Lease) -> dict[str, object]:
    return {"sync_run": lease.sync_run_id, "marketplace": str(lease.marketplace_id)}


def _git_ids(catalog: Catalog) -> set[str]:
    plugins = {file.git_id for plugin in catalog.plugins for file in plugin.files}
    return plugins | {
        file.git_id for plugin in catalog.plugins for skill in plugin.skills for file in skill.files
    }


def _correct_address(lease: Lease, head: Head) -> None:
    """Keep the address that the host itself pointed to: the same one with `.git`."""
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).filter(pk=lease.marketplace_id)
        own.update(url=head.url)
        actor = SystemActor(organization_id=lease.organization_id, what="sync")
        audit.record(Action.MARKETPLACE_ADDRESS_CHANGED, actor=actor, target=own.get(), url=head.url)


def _fail(lease: Lease, error: SkillportError) -> None:
    _end(lease, RunState.FAILED, error_code=error.code, error_message=error.message)
    pause = error.retry_after_seconds if isinstance(error, RateLimited) else None
    _poll_again(lease, max(pause or 0, POLL_SECONDS))


def _poll_again(lease: Lease, seconds: int) -> None:
    # Spread over a tenth, by the marketplace's own id, so that a host is not asked for everything at once.
    spread = lease.marketplace_id.int % max(seconds // 10, 1)
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).filter(pk=lease.marketplace_id)
        own.update(next_poll_at=Now() + timedelta(seconds=seconds + spread))
