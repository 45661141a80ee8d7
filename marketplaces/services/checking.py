"""Check a repository before it is bound: a dry run of its first sync, of which nothing stays.

At most one at a time for each person, a minute long, in a folder of its own. How many run at once in this process is for
the entry point to say (`skillport/asgi.py`).
"""

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from marketplaces.git.addresses import checked_address
from marketplaces.git.bounded import BoundedOutbound
from marketplaces.git.head import Remote
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from marketplaces.providers.api import Kind
from marketplaces.services import credentials
from marketplaces.services.binding import slug_for
from marketplaces.services.caps import LIMITS, MAX_BYTES, MAX_ENTRIES
from marketplaces.services.credentials import NO_CREDENTIAL, AppNeedsGitHub, Credential
from marketplaces.services.folders import checked_folder
from marketplaces.services.steps import Step, StepName, StepState, failed
from marketplaces.services.trial import Trial
from skillport.errors import InternalError, SkillportError
from skillport.outbound import AddressInvalid
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal

logger = logging.getLogger(__name__)

DEADLINE_SECONDS: Final = 50.0  # with the ending of what still runs then, a check is over within a minute
_FORGOTTEN_SECONDS: Final = 90  # a process that is killed in a check holds its person up no longer


class CheckUnderWay(SkillportError):
    code = "check_under_way"
    status = 409
    message = (
        "Another check of yours is still under way. Wait until it has ended, at most a minute, and try again."
    )


@dataclass(frozen=True, slots=True)
class Report:
    """A check that has ended. `passed`: the repository can be bound."""

    passed: bool
    steps: tuple[Step, ...]


class Check:
    """One check: iterate over it once, in whatever thread, for its steps as they end."""

    def __init__(
        self,
        principal: Principal,
        url: str,
        branch: str,
        slug: str,
        credential: Credential,
        folder: str,
        provider: Kind,
    ) -> None:
        self._principal = principal
        self._url = url
        self._branch = branch
        self._slug = slug
        self._credential = credential
        self._folder = folder
        self._provider = provider
        self._stopping = threading.Event()
        self._processes: Processes | None = None

    def __iter__(self) -> Iterator[Step]:
        try:
            yield from self._steps()
        except Exception as error:
            logger.exception("A check failed unexpectedly")
            yield Step(
                StepName.COMMIT, StepState.FAILED, InternalError.message, code=InternalError.code,
                error=error if isinstance(error, SkillportError) else InternalError(),
            )  # fmt: skip
        finally:
            cache.delete(_key(self._principal))

    def stop(self) -> None:
        """End what still runs, because nobody waits for it any more."""
        self._stopping.set()
        if self._processes is not None:
            self._processes.stop()

    def _steps(self) -> Iterator[Step]:
        try:
            url = checked_address(self._url)
        except AddressInvalid as error:
            said = error.message
            yield Step(StepName.ADDRESS, StepState.FAILED, said, code=error.code, error=error)
            return
        ends_at = time.monotonic() + DEADLINE_SECONDS
        outbound = BoundedOutbound(settings.OUTBOUND_ALLOWED_ORIGINS, ends_at=ends_at)
        given = self._credential
        try:
            app = credentials.app_at(given, url, outbound)
        except AppNeedsGitHub as error:
            yield failed(StepName.APP, error)
            return
        with tempfile.TemporaryDirectory(prefix="skillport-check-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            trial = Trial(
                remote=Remote(url) if app else Remote(url, given.username, given.secret),
                app=app,
                installation_id=given.app.installation_id if given.app else None,
                kind=self._provider,
                branch=self._branch,
                own_name=self._slug,
                below=self._folder,
                outbound=outbound,
                git=GitProgram(self._open_processes(folder)),
                folder=folder,
                limits=LIMITS,
                max_entries=MAX_ENTRIES,
                max_bytes=MAX_BYTES,
            )
            with self._ended_at(ends_at):
                yield from trial.steps()

    def _open_processes(self, folder: Path) -> Processes:
        self._processes = Processes(folder / "processes")
        if self._stopping.is_set():
            self._processes.stop()
        return self._processes

    @contextlib.contextmanager
    def _ended_at(self, ends_at: float) -> Iterator[None]:
        """Let the time run out for whatever git does."""
        overdue = threading.Timer(ends_at - time.monotonic(), self.stop)
        overdue.daemon = True
        overdue.start()
        try:
            yield
        finally:
            overdue.cancel()
            self.stop()


def begin_check(
    *,
    principal: Principal,
    url: str,
    branch: str = "",
    slug: str = "",
    credential: Credential = NO_CREDENTIAL,
    folder: str = "",
    provider: Kind = Kind.NOT_ASKED,
) -> Check:
    """Let `principal` check a repository, or a folder of it; what comes of it is in the steps.

    Raises `NotAllowed`, `StepUpRequired`, `FolderRefused`, `AppNeedsGitHub` or `CheckUnderWay`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    folder = checked_folder(folder)
    if credential.app is not None:
        credentials.require_github(provider)
    own_name = slug_for(principal, url, slug)
    if not cache.add(_key(principal), 1, timeout=_FORGOTTEN_SECONDS):
        raise CheckUnderWay
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()  # nobody should wait for it while we wait for a host
    return Check(principal, url, branch, own_name, credential, folder, provider)


def check(check: Check) -> Report:
    """Carry a check out and give all of its steps."""
    steps = tuple(check)
    return Report(passed=steps[-1].state is not StepState.FAILED, steps=steps)


def _key(principal: Principal) -> str:
    return f"check:{principal.user_id}"
