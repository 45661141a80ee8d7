"""What the end of a sync means for the next one (ADR 10).

What the host may put right by itself is tried again, after growing pauses. What only a person can put right waits for
one. A commit that fails again and again is left alone for a day, unless a person wants it tried or a new one comes.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import Final

from django.db.models.functions import Now
from django.utils import timezone

from marketplaces.git.errors import (
    CredentialRefused,
    FetchFailed,
    PinnedCommitMissing,
    RateLimited,
    RepositoryMoved,
)
from marketplaces.models import Marketplace, SyncRun
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.models.sync_run import BY_PEOPLE
from marketplaces.providers.github_app import AppRefused
from marketplaces.services.leases import Lease
from marketplaces.services.quotas import StorageFull
from skillport.errors import SkillportError
from skillport.outbound import AddressInvalid, HostUnreachable
from skillport.scoping import within

MOST_FAILURES: Final = 3
FAILURES_BEFORE_MAIL: Final = 6  # as the pauses grow, about five hours after the first
QUARANTINE: Final = timedelta(days=1)
LONGEST_PAUSE_SECONDS: Final = 6 * 3600
NO_COMMIT_FAILS: Final = {"failing_commit": "", "commit_failures": 0, "quarantined_until": None}
# Whatever is in the commit, these come from elsewhere.
_NOT_OF_THE_COMMIT: Final = (FetchFailed, PinnedCommitMissing, RateLimited, HostUnreachable, StorageFull)
_FOR_PEOPLE: Final = (CredentialRefused, AppRefused, RepositoryMoved, AddressInvalid)


class News(Enum):
    """What administrators should hear of a failed sync, because it does not pass by itself, or not soon."""

    WAITS_FOR_PEOPLE = auto()
    COMMIT_LEFT_ALONE = auto()
    KEEPS_FAILING = auto()


def after_success(lease: Lease) -> None:
    """Forget earlier failures, and look again when it is time."""
    _note(lease, None, failures=0, attention="", **NO_COMMIT_FAILS)


def after_failure(lease: Lease, error: SkillportError, *, ends_workers: bool = False) -> News | None:
    """Note what a failed sync means, and give what administrators have not heard of yet.

    `ends_workers`: the commit has had its attempts, each of which ended a worker.
    """
    organization_id = lease.organization_id
    with within(organization_id):
        marketplace = Marketplace.objects.for_organization(organization_id).get(pk=lease.marketplace_id)
        run = SyncRun.objects.for_organization(organization_id).get(pk=lease.sync_run_id)
    commit, news = run.commit, None
    changes: dict[str, object] = {}
    if commit and not isinstance(error, _NOT_OF_THE_COMMIT):
        before = marketplace.commit_failures if commit == marketplace.failing_commit else 0
        changes["failing_commit"] = commit
        changes["commit_failures"] = failed = MOST_FAILURES if ends_workers else before + 1
        changes["quarantined_until"] = timezone.now() + QUARANTINE if failed >= MOST_FAILURES else None
        if before < MOST_FAILURES <= failed:
            news = News.COMMIT_LEFT_ALONE
    pause = (error.retry_after_seconds or POLL_SECONDS) if isinstance(error, RateLimited) else 0
    if pause:
        changes["quiet_until"] = Now() + timedelta(seconds=pause)
    for_people = isinstance(error, _FOR_PEOPLE)
    if for_people:
        news = News.WAITS_FOR_PEOPLE
    elif marketplace.failures + 1 == FAILURES_BEFORE_MAIL and news is None:
        news = News.KEEPS_FAILING
    backing_off = POLL_SECONDS * 2 ** min(marketplace.failures, 10)
    _note(
        lease,
        max(pause, min(backing_off, LONGEST_PAUSE_SECONDS)),
        failures=min(marketplace.failures + 1, 1000),
        attention=error.code if for_people else "",
        **changes,
    )
    # Whoever has just asked for the sync sees how it ends.
    return None if run.trigger in BY_PEOPLE else news


def is_left_alone(marketplace: Marketplace, commit: str) -> bool:
    """Tell whether this commit has failed so often that it is not tried now."""
    until = marketplace.quarantined_until
    return commit == marketplace.failing_commit and until is not None and until > timezone.now()


def after_nothing(lease: Lease) -> None:
    """A commit that is left alone was found again: look when it is time, and change nothing else."""
    _note(lease, None)


def _note(lease: Lease, at_least_seconds: int | None, **changes: object) -> None:
    """Write it down, with the time of the next look, unless another worker has taken the marketplace over."""
    with within(lease.organization_id):
        own = Marketplace.objects.for_organization(lease.organization_id).filter(
            pk=lease.marketplace_id, fence=lease.fence
        )
        chosen = own.values_list("poll_seconds", flat=True).first()
        if chosen is None:
            return
        seconds = max(chosen, at_least_seconds or 0)
        # Spread over a tenth, by the marketplace's own id, so that a host is not asked for everything at once.
        spread = lease.marketplace_id.int % max(seconds // 10, 1)
        # Who never looks for new commits is still owed another try of what failed.
        next_poll = Now() + timedelta(seconds=seconds + spread) if seconds else None
        own.update(next_poll_at=next_poll, **changes)
