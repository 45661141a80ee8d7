"""Bring a marketplace up to date: ask, fetch, read, store, publish.

No transaction is open while another host is asked. A failed or killed run leaves the old snapshot served.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection

from marketplaces import progress
from marketplaces.git.commit import BlobReader, CommitInfo, describe, list_files
from marketplaces.git.errors import (
    DiskFull,
    FetchFailed,
    FolderNotFound,
    GitStopped,
    PinnedCommitMissing,
    RepositoryMoved,
)
from marketplaces.git.head import Head, Remote, ask_head
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection
from marketplaces.git.tree import below
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.plan import Catalog
from marketplaces.manifest.remembered import Recall, nothing_remembered
from marketplaces.manifest.report import Finding
from marketplaces.models import Marketplace, Phase, RunState, SyncRun, Trigger
from marketplaces.services import credentials, leases, moving, notices, outcomes, queue
from marketplaces.services.caps import LIMITS, MAX_ATTEMPTS, MAX_BYTES, MAX_ENTRIES
from marketplaces.services.external import queue as external
from marketplaces.services.external.known import is_up_to_date
from marketplaces.services.external.mirrors import MirrorReplaced, Mirrors
from marketplaces.services.found import Found
from marketplaces.services.leases import Lease, LeaseLost
from marketplaces.services.publishing import Changes, publish
from marketplaces.services.remembering import PlansForgotten, plans_of
from marketplaces.services.storing import Stored, store_blobs
from marketplaces.services.worker import Worker
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.database_away import went_away
from skillport.errors import SkillportError
from skillport.principal import SystemActor
from skillport.scoping import within

logger = logging.getLogger(__name__)

_TELL_SECONDS: Final = 1

T = TypeVar("T")


def run(*, organization_id: UUID, sync_run_id: int, worker: Worker) -> None:
    """Do one queued run, if it is still to be done. Every outcome is written on the run; nothing is raised."""
    lease = leases.take(organization_id=organization_id, sync_run_id=sync_run_id, worker=worker.name)
    if lease is None:
        return
    with leases.renewed(lease):
        try:
            if lease.attempt <= MAX_ATTEMPTS:
                _bring_up_to_date(lease, worker)
            else:
                logger.error("Sync given up", extra={"sync_run": sync_run_id})
                _fail(lease, _WorkersLost(), ends_workers=True)
        except LeaseLost:
            logger.info("Another worker took over", extra={"sync_run": sync_run_id})
        except (GitStopped, MirrorReplaced):
            leases.give_back(lease)
        except SkillportError as error:
            logger.info("Sync failed", extra={"sync_run": sync_run_id, "code": error.code})
            _fail(lease, error)
        except Exception as error:
            logger.exception("Sync failed unexpectedly", extra={"sync_run": sync_run_id})
            if went_away(error):
                return  # nothing can be written down: the lease runs out, and the sweeper finds the run
            _fail(lease, DiskFull() if DiskFull.is_told_by(error) else _Unexpected())
    if not worker.git.processes.stopping.is_set():
        queue.hint_at_next(lease.organization_id)


class _Unexpected(SkillportError):
    code = "unexpected"
    status = 500
    message = (
        "Something went wrong inside Skillport, and is tried again at the next sync. If it stays, tell whoever runs "
        "Skillport: its log has the details, under this sync's number."
    )


class _WorkersLost(SkillportError):
    """What ends one worker after another is likely to be in the repository: another attempt would end one more."""

    code = "workers_lost"
    status = 500
    message = (
        f"This sync was given up: {MAX_ATTEMPTS} workers ended in the middle of it, perhaps for want of memory. Their "
        "logs may say why. If it stays, move large files out of the repository."
    )


def _bring_up_to_date(lease: Lease, worker: Worker) -> None:
    if lease.attempt > 1:
        leases.note_commit(lease, "")  # what the worker before came to is not ours
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).select_related("current_snapshot")
        marketplace = own.get(pk=lease.marketplace_id)
        served = marketplace.current_snapshot
        is_up = is_up_to_date(marketplace)
        run = SyncRun.objects.for_organization(lease.organization_id).get(pk=lease.sync_run_id)
    outbound, remote = worker.outbound.metered(lease.meter), None
    if marketplace.pinned_commit and _serves(marketplace, marketplace.pinned_commit):
        commit = marketplace.pinned_commit  # the host need not be asked
    else:
        head, login = credentials.ask_host(
            marketplace, outbound, lambda there: ask_head(there, marketplace.branch, outbound)
        )
        if marketplace.moved_to:
            moving.note(lease, "")
        if head.url != marketplace.url:
            _correct_address(lease, marketplace.url, head)
        remote = replace(login.remote, url=head.url)
        commit = marketplace.pinned_commit or head.commit
    if served is not None and is_up and _serves(marketplace, commit):
        about = {"commit": commit, "author": served.author, "subject": served.subject}
        _end(lease, RunState.UNCHANGED, partial(outcomes.after_success, lease), **about)
    elif outcomes.is_left_alone(marketplace, commit):
        _end(lease, RunState.UNCHANGED, partial(outcomes.after_nothing, lease), commit=commit)
    else:
        leases.note_commit(lease, commit)
        remote = remote or credentials.login_of(marketplace, outbound).remote
        _import(lease, marketplace, commit, remote, worker)
    _ask_for_external(lease, Trigger(run.trigger))


def _serves(marketplace: Marketplace, commit: str) -> bool:
    snapshot = marketplace.current_snapshot
    return snapshot is not None and (snapshot.commit, snapshot.folder) == (commit, marketplace.folder)


def _ask_for_external(lease: Lease, trigger: Trigger) -> None:
    """See to the sources that the catalog has elsewhere; each is a job of its own."""
    external.ask_again(
        organization_id=lease.organization_id, marketplace_id=lease.marketplace_id, trigger=trigger
    )
    # What has ended while this sync was reading; never one such sync after the other.
    if trigger != Trigger.MIRROR:
        external.sync_if_changed(organization_id=lease.organization_id, marketplace_id=lease.marketplace_id)


def _import(lease: Lease, marketplace: Marketplace, commit: str, remote: Remote, worker: Worker) -> None:
    _tell(lease, Phase.FETCHING)
    copy = KeptCopy(
        worker.copies_of(lease.organization_id, lease.marketplace_id),
        fence=lease.fence, program=worker.git, blob_limit=LIMITS.file_bytes,
    )  # fmt: skip
    try:
        with _telling_of_bytes(lease):
            copy.fetch(commit, Connection(remote, worker.outbound.check(remote.url), lease.meter))
    except FetchFailed as failed:
        is_ours = isinstance(failed, DiskFull) or not marketplace.pinned_commit
        raise (failed if is_ours else PinnedCommitMissing()) from None
    try:
        try:
            changes = _serve(lease, commit, marketplace, worker, copy, plans_of(marketplace))
        except PlansForgotten:
            changes = _serve(lease, commit, marketplace, worker, copy, nothing_remembered)
    except FetchFailed:
        copy.delete()  # what was fetched cannot be read, and would not be better the next time
        raise
    progress.publish(
        lease.organization_id,
        {
            **_about(lease),
            "state": RunState.SUCCEEDED if changes.snapshot else RunState.UNCHANGED,
            "commit": commit,
            "changed_skills": changes.skills,
        },
    )
    logger.info(
        "Snapshot published",
        extra={"sync_run": lease.sync_run_id, "commit": commit, "skills": changes.skills},
    )


def _serve(
    lease: Lease, commit: str, marketplace: Marketplace, worker: Worker, copy: KeptCopy, recall: Recall
) -> Changes:
    """Read the commit, store its files and begin to serve it. Raises `PlansForgotten` when what is recalled went meanwhile."""
    _tell(lease, Phase.READING)
    mirrors = Mirrors(marketplace)
    info, catalog, stored = _read(lease, commit, marketplace, worker, copy, mirrors, recall)
    _tell(lease, Phase.PUBLISHING, found=len(catalog.findings))
    with within(lease.organization_id):
        changes = publish(
            lease, commit=commit, folder=marketplace.folder, info=info, catalog=catalog, stored=stored,
            known=mirrors.known, known_digest=mirrors.digest(),
        )  # fmt: skip
        outcomes.after_success(lease)
    return changes


def _read(
    lease: Lease,
    commit: str,
    marketplace: Marketplace,
    worker: Worker,
    copy: KeptCopy,
    mirrors: Mirrors,
    recall: Recall,
) -> tuple[CommitInfo, Catalog, Stored]:
    """Read what the commit holds below the folder, and what it lists elsewhere, and store its files."""
    info = describe(worker.git, copy.path, commit)
    _tell(lease, Phase.READING, author=info.author, subject=info.subject)
    listed = list_files(worker.git, copy.path, commit, max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)
    entries = list(below(listed, marketplace.folder.encode()))
    if marketplace.folder and not entries:
        raise FolderNotFound
    found = Found(lease)

    def report(finding: Finding) -> None:
        if (count := found.add(finding)) is not None:
            _publish_frame(lease, Phase.READING, found=count)

    with BlobReader.opened(worker.git, copy.path) as reader:
        catalog = read_catalog(entries, reader.read, LIMITS, marketplace.slug, mirrors.find, report, recall)
        found.settle(catalog.findings)
        stored = store_blobs(
            lease.organization_id,
            _sizes(catalog),
            mirrors.reading(otherwise=reader.read_many),
            lambda done, total: _tell(lease, Phase.STORING, done, total, found=len(catalog.findings)),
        )
    return info, catalog, stored


def _tell(lease: Lease, phase: Phase, done: int = 0, total: int = 0, **known: Any) -> None:
    """Write down how far the run is, then say so to whoever is watching. Raises `LeaseLost`."""
    leases.report(lease, phase, done, total, **known)
    _publish_frame(lease, phase, done, total, known.get("found", 0))


def _publish_frame(lease: Lease, phase: Phase, done: int = 0, total: int = 0, found: int = 0) -> None:
    frame = progress.frame(
        **_about(lease), phase=phase, done=done, total=total, requests=lease.meter.requests,
        received_bytes=lease.meter.received_bytes, findings=found,
    )  # fmt: skip
    progress.publish(lease.organization_id, frame)


@contextlib.contextmanager
def _telling_of_bytes(lease: Lease) -> Iterator[None]:
    """While the block fetches, tell every second what has come, if more has."""
    ended = threading.Event()

    def tell() -> None:
        told = lease.meter.received_bytes
        try:
            while not ended.wait(_TELL_SECONDS):
                if lease.meter.received_bytes != told:
                    told = lease.meter.received_bytes
                    _tell(lease, Phase.FETCHING)
        except LeaseLost:
            pass  # whoever fetches learns it at the next phase
        except Exception:
            logger.exception("Could not tell how far a fetch is", extra={"sync_run": lease.sync_run_id})
        finally:
            connection.close()

    teller = threading.Thread(target=tell, name="fetched-bytes", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _end(lease: Lease, state: RunState, note: Callable[[], T], **outcome: object) -> T | None:
    """End the run and note what follows from it, at one stroke: whoever sees the end sees that too. Gives what `note` gives."""
    with within(lease.organization_id):
        # The marketplace before its run, as everybody who changes both: else two could wait for each other.
        own = Marketplace.objects.for_organization(lease.organization_id).filter(pk=lease.marketplace_id)
        own.select_for_update().first()
        ended = leases.finish(lease, state, **outcome)
        noted = note() if ended else None
    if ended:
        # No words of the git host: whoever may use skills may watch, and only administrators read why a sync failed.
        progress.publish(lease.organization_id, {**_about(lease), "state": state})
    return noted


def _about(lease: Lease) -> dict[str, Any]:
    return {"sync_run": lease.sync_run_id, "marketplace": str(lease.marketplace_id)}


def _sizes(catalog: Catalog) -> dict[str, int]:
    """Give the bytes of every file that is wanted, by git id."""
    of_plugins = [plugin.files for plugin in catalog.plugins]
    of_skills = [skill.files for plugin in catalog.plugins for skill in plugin.skills]
    return {file.git_id: file.size_bytes for files in (*of_plugins, *of_skills) for file in files}


def _correct_address(lease: Lease, asked: str, head: Head) -> None:
    """Keep the address that the host itself pointed to: the same one with `.git`. Raises `LeaseLost`."""
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).filter(pk=lease.marketplace_id)
        # SECURITY: only while it is still the address that was asked. A host that holds us up while somebody confirms
        # another one, with a credential for that one, would else be shown it.
        if not own.filter(fence=lease.fence, url=asked).update(url=head.url):
            raise LeaseLost
        actor = SystemActor(organization_id=lease.organization_id, what="sync")
        audit.record(Action.MARKETPLACE_ADDRESS_CHANGED, actor=actor, target=own.get(), url=head.url)


def _fail(lease: Lease, error: SkillportError, *, ends_workers: bool = False) -> None:
    def note() -> outcomes.News | None:
        if isinstance(error, RepositoryMoved):
            moving.note(lease, error.to)
        return outcomes.after_failure(lease, error, ends_workers=ends_workers)

    news = _end(lease, RunState.FAILED, note, error_code=error.code, error_message=error.message)
    if news is not None:
        notices.tell_of_failure(
            organization_id=lease.organization_id, marketplace_id=lease.marketplace_id, news=news, error=error
        )
