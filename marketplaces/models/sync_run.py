"""Sync runs: rows in Postgres are the queue, and each row is the history of what one run did."""

from typing import Final
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplaces.models.marketplace import Marketplace, Snapshot
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Trigger(models.TextChoices):
    BIND = "bind", "the repository was bound"
    WEBHOOK = "webhook", "the git host reported a push"
    POLL = "poll", "a regular look at the repository"
    MANUAL = "manual", "somebody asked for it"
    MIRROR = "mirror", "external plugins have arrived"


BY_PEOPLE: Final = frozenset({Trigger.BIND, Trigger.MANUAL})  # somebody waits for how it ends


class RunState(models.TextChoices):
    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    SUCCEEDED = "succeeded", "imported"
    UNCHANGED = "unchanged", "nothing new"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "called off"


class Phase(models.TextChoices):
    ASKING = "asking", "asking for the newest commit"
    FETCHING = "fetching", "fetching it"
    READING = "reading", "reading plugins and skills"
    STORING = "storing", "storing files"
    PUBLISHING = "publishing", "putting it in place"


class SyncRun(OrganizationOwned):
    """One attempt, or the wish for one, to bring a marketplace up to date."""

    marketplace = models.ForeignKey(
        Marketplace, models.CASCADE, related_name="sync_runs", db_constraint=False
    )
    marketplace_id: UUID
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    requested_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    # The lease: whoever holds `fence`, and only while it is the marketplace's, may write. `leased_by` names the
    # process, so that its next start need not wait for the lease to run out.
    fence = models.PositiveBigIntegerField(default=0)
    leased_by = models.CharField(max_length=100, blank=True)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    phase = models.CharField(max_length=10, choices=Phase.choices, blank=True)
    done = models.PositiveIntegerField(default=0)  # files handled in this phase, of `total`
    total = models.PositiveIntegerField(default=0)
    # What the run has cost so far, by all of its attempts: requests to the git host, bytes of its answers' bodies.
    requests = models.PositiveIntegerField(default=0, db_default=0)
    received_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    found = models.PositiveIntegerField(default=0, db_default=0)  # findings so far

    commit = models.CharField(max_length=64, blank=True)
    # Of the commit, as far as it was read.
    author = models.CharField(max_length=200, blank=True, default="", db_default="")
    subject = models.CharField(max_length=300, blank=True, default="", db_default="")
    changes = models.JSONField(null=True)  # what it changed, as `services.changes.summary` says it
    snapshot = models.ForeignKey(
        Snapshot, models.SET_NULL, null=True, related_name="sync_runs", db_constraint=False
    )
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="sync_run_key"),
            models.UniqueConstraint(
                fields=["marketplace"], condition=Q(state=RunState.QUEUED), name="sync_run_one_queued"
            ),
            models.UniqueConstraint(
                fields=["marketplace"], condition=Q(state=RunState.RUNNING), name="sync_run_one_running"
            ),
            SameOrganization(field="marketplace", name="sync_run_marketplace"),
            SameOrganization(
                field="snapshot", through=[("marketplace_id", "marketplace_id")], name="sync_run_snapshot"
            ),
        ]
        indexes = [
            models.Index(fields=["marketplace", "-id"], name="sync_run_newest"),
            models.Index(
                fields=["requested_at"],
                condition=Q(state__in=[RunState.QUEUED, RunState.RUNNING]),
                name="sync_run_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.marketplace_id} {self.state} {self.commit[:12]}"


class SyncFinding(OrganizationOwned):
    """Something in the repository that was refused, or that its author should know: path, reason and remedy."""

    sync_run = models.ForeignKey(SyncRun, models.CASCADE, related_name="findings", db_constraint=False)
    severity = models.CharField(max_length=10)
    code = models.CharField(max_length=60)
    path = models.CharField(max_length=500, blank=True)
    reason = models.TextField()
    remedy = models.TextField()

    class Meta:
        constraints = [SameOrganization(field="sync_run", name="sync_finding_run")]

    def __str__(self) -> str:
        return f"{self.code} {self.path}"
