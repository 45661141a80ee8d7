"""What administrators see of the repositories that are bound: where each stands, and what its syncs did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, OuterRef, Subquery, Value, When
from django.utils import timezone

from marketplaces.models import Marketplace, Snapshot, SyncFinding, SyncRun, Webhook
from marketplaces.services.changes import Summary, read_summary
from marketplaces.services.credential_expiry import WARNED_DAYS, days_left
from skillport.errors import NotFound
from skillport.permissions import Permission, require
from skillport.principal import Principal
from skillport.scoping import within

RUNS_A_PAGE: Final = 25
MOST_FINDINGS: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One sync. `state`, `trigger` and `phase` are the values of the enumerations in `marketplaces.models`.

    `requests` and `received_bytes` (of the bodies of answers) are of the git host, by all attempts. `snapshot` is the
    number of the one that it published, as long as that is kept, and `snapshot_before` that of
    the one that was served before, likewise.
    """

    id: int
    trigger: str
    trigger_label: str
    state: str
    state_label: str
    phase_label: str
    done: int
    total: int
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    commit: str
    author: str
    subject: str
    requests: int
    received_bytes: int
    changes: Summary | None
    snapshot: int | None
    snapshot_before: int | None
    error_code: str
    error_message: str
    findings: int

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def seconds(self) -> float | None:
        """Give how long its last attempt took."""
        return (
            (self.ended_at - self.started_at).total_seconds() if self.ended_at and self.started_at else None
        )

    @property
    def took(self) -> str:
        """Give the duration in words, '' where there is none."""
        if self.seconds is None:
            return ""
        minutes, seconds = divmod(round(self.seconds), 60)
        return f"{minutes} min {seconds} s" if minutes else f"{max(self.seconds, 0.1):.1f} s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something in the repository that was refused, or that its author should know."""

    severity: str
    code: str
    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """The commit that members get. `derived`: it has no marketplace.json, and its folders speak for it."""

    number: int
    commit: str
    author: str
    subject: str
    committed_at: datetime
    imported_at: datetime
    derived: bool
    plugins: int
    skills: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookHealth:
    """How a repository's webhook fares. `registered_at` is when the provider's API made it, None for one made by hand.

    `last_delivery_id` is the git host's own name for the delivery, '' where it gave none.
    """

    registered_at: datetime | None = None
    last_delivery_at: datetime | None = None
    last_delivery_event: str = ""
    last_delivery_id: str = ""
    last_refusal_at: datetime | None = None
    last_refusal_reason: str = ""

    @property
    def is_refused(self) -> bool:
        """Tell whether the last that came was refused."""
        return self.last_refusal_at is not None and (
            self.last_delivery_at is None or self.last_refusal_at > self.last_delivery_at
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Expiry:
    """When a credential ends, as its provider told at `asked_at`. `known` without `expires_at`: it does not end."""

    known: bool
    expires_at: datetime | None
    asked_at: datetime | None

    @property
    def days_left(self) -> int | None:
        """Give how many days it still works, a begun one counted whole; 0: it has ended; None: no end is known."""
        return None if self.expires_at is None else max(0, days_left(self.expires_at, timezone.now()))

    @property
    def is_soon(self) -> bool:
        return self.days_left is not None and self.days_left <= max(WARNED_DAYS)


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """The GitHub App that a repository is read as. `installation_id` is None until the first sync has found it."""

    id: str
    installation_id: int | None
    key_fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A bound repository. Of its credential there are the last four characters, '' when it has none.

    `provider_chosen`: somebody has said whose API its host has.

    `attention` is the code of an error that only a person can end, '' for none. `quarantined_commit` is not tried again
    before `quarantined_until`. At `closing_at` all of it is deleted.

    `moved_to` is where its host says that it has gone, '' while it is where we look for it.
    """

    id: UUID
    slug: str
    url: str
    moved_to: str
    branch: str
    username: str
    credential_last_four: str
    credential_expiry: Expiry
    app: App | None
    provider: str
    provider_chosen: bool
    webhook: WebhookHealth
    created_at: datetime
    next_poll_at: datetime | None
    quiet_until: datetime | None
    folder: str
    poll_seconds: int
    keep_days: int
    pinned_commit: str
    paused_at: datetime | None
    closing_at: datetime | None
    attention: str
    quarantined_commit: str
    quarantined_until: datetime | None
    served: Served | None
    last_run: Run | None

    @property
    def looks(self) -> str:
        """Say how often new commits are looked for."""
        return looks(self.poll_seconds)


def looks(poll_seconds: int) -> str:
    """Say how often that is: "every 10 minutes"; 0 is only when webhooks or people ask for it."""
    if not poll_seconds:
        return "only when a webhook or somebody asks for it"
    for seconds, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        number, rest = divmod(poll_seconds, seconds)
        if number and not rest:
            return f"every {unit}" if number == 1 else f"every {number} {unit}s"
    return f"every {poll_seconds} seconds"


def list_marketplaces(*, principal: Principal) -> list[Bound]:
    """Give the organization's repositories by name. Raises `NotAllowed`."""
    return _all_bound(principal)


def get_marketplace(*, principal: Principal, marketplace_id: UUID) -> Bound:
    """Give one of the organization's repositories. Raises `NotAllowed` or `NotFound`."""
    found = _all_bound(principal, marketplace_id)
    if not found:
        raise NotFound
    return found[0]


def list_runs(*, principal: Principal, marketplace_id: UUID, before: int | None = None) -> list[Run]:
    """Give the repository's syncs, the newest first, at most 25; `before` goes on from the last one's id.

    Raises `NotAllowed` or `NotFound`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        own = Marketplace.objects.for_organization(principal.organization)
        if not own.filter(pk=marketplace_id).exists():
            raise NotFound
        runs = SyncRun.objects.for_organization(principal.organization).filter(marketplace_id=marketplace_id)
        if before is not None:
            runs = runs.filter(pk__lt=before)
        found = list(runs.order_by("-id").values_list("pk", flat=True)[:RUNS_A_PAGE])
        shown = _runs(principal, found)
    return [shown[pk] for pk in found if pk in shown]


def get_run(*, principal: Principal, marketplace_id: UUID, run_id: int) -> tuple[Run, list[Finding]]:
    """Give one sync with its findings, the gravest first, at most 500. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        own = SyncRun.objects.for_organization(principal.organization).filter(marketplace_id=marketplace_id)
        # The sync first: one that has ended has all its findings, and each query sees a database of its own.
        run = _runs(principal, list(own.filter(pk=run_id).values_list("pk", flat=True))).get(run_id)
        if run is None:
            raise NotFound
        rows = SyncFinding.objects.for_organization(principal.organization).filter(sync_run_id=run_id)
        found = list(rows.order_by(_GRAVITY, "id")[:MOST_FINDINGS])
    return run, [
        Finding(severity=row.severity, code=row.code, path=row.path, reason=row.reason, remedy=row.remedy)
        for row in found
    ]


_GRAVITY: Final = Case(
    When(severity="error", then=Value(0)),
    When(severity="warning", then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


def _all_bound(principal: Principal, only: UUID | None = None) -> list[Bound]:
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        rows = Marketplace.objects.for_organization(principal.organization).select_related(
            "current_snapshot", "webhook"
        )
        if only is not None:
            rows = rows.filter(pk=only)
        newest = (
            SyncRun.objects.for_organization(principal.organization)
            .filter(marketplace=OuterRef("pk"))
            .order_by("-id")
        )
        # The syncs first: each query sees a database of its own, and one that has ended is served in the next.
        ids = dict(
            rows.annotate(newest_run=Subquery(newest.values("pk")[:1])).values_list("pk", "newest_run")
        )
        runs = _runs(principal, [pk for pk in ids.values() if pk])
        found = list(rows.order_by("slug"))
    return [_bound(row, runs.get(ids.get(row.pk) or 0)) for row in found]


def _runs(principal: Principal, ids: list[int]) -> dict[int, Run]:
    rows = SyncRun.objects.for_organization(principal.organization).filter(pk__in=ids)
    told = list(rows.annotate(finding_count=Count("findings"), number=F("snapshot__number")))
    kept = Snapshot.objects.for_organization(principal.organization).filter(
        marketplace_id__in={row.marketplace_id for row in told},
        number__in={row.changes["since"] for row in told if row.changes},
    )
    numbers = set(kept.values_list("marketplace_id", "number"))
    return {row.pk: _run(row, numbers) for row in told}


def _run(row: Any, kept: set[tuple[UUID, int]]) -> Run:
    """Shape a row of `_runs`; `kept` has the snapshots that may still be compared with."""
    changes = read_summary(row.changes)
    return Run(
        id=row.pk,
        trigger=row.trigger,
        trigger_label=row.get_trigger_display(),
        state=row.state,
        state_label=row.get_state_display(),
        phase_label=row.get_phase_display(),
        done=row.done,
        total=row.total,
        requested_at=row.requested_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        commit=row.commit,
        author=row.author,
        subject=row.subject,
        requests=row.requests,
        received_bytes=row.received_bytes,
        changes=changes,
        snapshot=row.number,
        snapshot_before=changes.since if changes and (row.marketplace_id, changes.since) in kept else None,
        error_code=row.error_code,
        error_message=row.error_message,
        findings=row.found if row.ended_at is None else row.finding_count,
    )


def _bound(row: Marketplace, last_run: Run | None) -> Bound:
    return Bound(
        id=row.pk,
        slug=row.slug,
        url=row.url,
        moved_to=row.moved_to,
        branch=row.branch,
        username=row.username,
        credential_last_four=row.credential_last_four,
        credential_expiry=Expiry(
            known=row.credential_expiry_known,
            expires_at=row.credential_expires_at,
            asked_at=row.credential_asked_at,
        ),
        app=App(
            id=row.app_id,
            installation_id=row.app_installation_id,
            key_fingerprint=row.credential_fingerprint,
        )
        if row.app_id
        else None,
        provider=row.provider,
        provider_chosen=row.provider_chosen,
        webhook=_health(getattr(row, "webhook", None)),
        created_at=row.created_at,
        next_poll_at=row.next_poll_at,
        quiet_until=_if_ahead(row.quiet_until),
        folder=row.folder,
        poll_seconds=row.poll_seconds,
        keep_days=row.keep_days,
        pinned_commit=row.pinned_commit,
        paused_at=row.paused_at,
        closing_at=row.closing_at,
        attention=row.attention,
        quarantined_commit=row.failing_commit if _if_ahead(row.quarantined_until) else "",
        quarantined_until=_if_ahead(row.quarantined_until),
        served=_served(row.current_snapshot) if row.current_snapshot else None,
        last_run=last_run,
    )


def _if_ahead(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None


def _health(row: Webhook | None) -> WebhookHealth:
    if row is None:
        return WebhookHealth()
    return WebhookHealth(
        registered_at=row.registered_at,
        last_delivery_at=row.last_delivery_at,
        last_delivery_event=row.last_delivery_event,
        last_delivery_id=row.last_delivery_id,
        last_refusal_at=row.last_refusal_at,
        last_refusal_reason=row.last_refusal_reason,
    )


def _served(row: Snapshot) -> Served:
    return Served(
        number=row.number,
        commit=row.commit,
        author=row.author,
        subject=row.subject,
        committed_at=row.committed_at,
        imported_at=row.imported_at,
        derived=row.derived,
        plugins=row.plugin_count,
        skills=row.skill_count,
    )
