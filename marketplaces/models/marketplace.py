"""A bound repository, and the snapshot of it that is served."""

import uuid
from typing import Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from marketplaces.manifest.names import SLUG
from skillport.encryption import EncryptedText
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization

POLL_SECONDS: Final = 600


class Marketplace(OrganizationOwned):
    """A git repository that an organization publishes skills from."""

    # Random, because it is the whole of the webhook's address.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=64)
    url = models.CharField(max_length=500)
    # Where the git host says that the repository has gone. Nothing is sent there until an administrator confirms it.
    moved_to = models.CharField(max_length=500, blank=True, default="", db_default="")
    branch = models.CharField(max_length=200, blank=True)  # '' follows the repository's default branch
    username = models.CharField(max_length=200, blank=True)
    credential = EncryptedText()
    credential_last_four = models.CharField(max_length=4, blank=True)
    # With an id, `credential` is a private key of this GitHub App, and its installation and the repository at GitHub
    # are these; None: not known yet. `minted_token` is the last that the key made (`services/credentials.py`).
    app_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    app_installation_id = models.PositiveBigIntegerField(null=True)
    app_repository_id = models.PositiveBigIntegerField(null=True)
    credential_fingerprint = models.CharField(max_length=60, blank=True, default="", db_default="")
    minted_token = EncryptedText(db_default=b"")
    minted_until = models.DateTimeField(null=True)
    provider = models.CharField(max_length=10, blank=True)  # a `providers.api.Kind`
    # An administrator has said which it is, and nobody asks the host.
    provider_chosen = models.BooleanField(default=False, db_default=False)
    # When the credential ends, as its provider tells; None and known: never. `asked_at` is when it was last asked.
    credential_expires_at = models.DateTimeField(null=True)
    credential_expiry_known = models.BooleanField(default=False)
    credential_asked_at = models.DateTimeField(null=True)
    # How many days before the end owners and admins were last told; None: not yet.
    credential_warned_days = models.PositiveSmallIntegerField(null=True)
    webhook_secret = EncryptedText()
    # The one before, which is good until then: the host needs a moment to get the new one.
    former_webhook_secret = EncryptedText()
    former_webhook_secret_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # RESTRICT, not PROTECT: deleting the marketplace deletes its snapshots with it.
    current_snapshot = models.ForeignKey(
        "marketplaces.Snapshot", models.RESTRICT, null=True, related_name="+", db_constraint=False
    )
    last_snapshot_number = models.PositiveIntegerField(default=0)
    # Raised by every worker that takes up a run; a worker whose number is no longer this one may not write.
    fence = models.PositiveBigIntegerField(default=0)
    next_poll_at = models.DateTimeField(null=True)
    quiet_until = models.DateTimeField(null=True)  # the git host asked for a pause: no run begins before

    # What its administrators chose.
    folder = models.CharField(
        max_length=200, blank=True
    )  # only what is below is read; '' is the whole repository
    poll_seconds = models.PositiveIntegerField(
        default=POLL_SECONDS
    )  # 0: only webhooks and people begin syncs
    keep_days = models.PositiveSmallIntegerField(
        default=30
    )  # how long a snapshot is kept that is served no more
    pinned_commit = models.CharField(max_length=64, blank=True)  # '' follows the branch
    paused_at = models.DateTimeField(null=True)
    closing_at = models.DateTimeField(
        null=True
    )  # when all of it is deleted; nothing of it is served until then

    # What failed runs led to (ADR 10).
    failures = models.PositiveSmallIntegerField(default=0)  # in a row, of whatever kind
    attention = models.CharField(max_length=60, blank=True)  # the error that only a person can end
    failing_commit = models.CharField(max_length=64, blank=True)
    commit_failures = models.PositiveSmallIntegerField(default=0)  # of `failing_commit`
    quarantined_until = models.DateTimeField(null=True)  # until then `failing_commit` is not tried again

    # Whose repositories plugins may come from, beside this one; None: those of the marketplace's own host.
    external_hosts = ArrayField(models.CharField(max_length=260), null=True)
    # What was known of external sources when the snapshot was planned (`services/external/known.py`).
    external_outcome = models.BinaryField(max_length=32, default=b"")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="marketplace_key"),
            models.UniqueConstraint(fields=["organization", "slug"], name="marketplace_slug"),
            models.CheckConstraint(
                condition=~Q(app_id="")
                | Q(app_installation_id=None, app_repository_id=None, minted_until=None),
                name="marketplace_app",
            ),
            models.CheckConstraint(condition=Q(slug__regex=f"^{SLUG}$"), name="marketplace_slug_form"),
            SameOrganization(
                field="current_snapshot",
                through=[("id", "marketplace_id")],
                name="marketplace_current_snapshot",
            ),
        ]
        indexes = [models.Index(fields=["next_poll_at"], name="marketplace_next_poll")]

    def __str__(self) -> str:
        return self.slug


class Webhook(OrganizationOwned):
    """How a marketplace's webhook fares: a row of its own, so that no delivery waits for a sync that publishes."""

    marketplace = models.OneToOneField(
        Marketplace, models.CASCADE, related_name="webhook", db_constraint=False
    )
    marketplace_id: UUID
    registered_at = models.DateTimeField(null=True)  # through the provider's API
    last_delivery_at = models.DateTimeField(null=True)
    last_delivery_event = models.CharField(max_length=60, blank=True)
    last_delivery_id = models.CharField(max_length=100, blank=True)
    last_refusal_at = models.DateTimeField(null=True)
    last_refusal_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [SameOrganization(field="marketplace", name="webhook_marketplace")]

    def __str__(self) -> str:
        return f"webhook of {self.marketplace_id}"


class Snapshot(OrganizationOwned):
    """One commit of a marketplace, imported whole. Written once, in the transaction that begins to serve it.

    Listings (`catalog.py`) say which plugins and skills it holds: those whose range of numbers contains `number`.
    """

    marketplace = models.ForeignKey(
        Marketplace, models.CASCADE, related_name="snapshots", db_constraint=False
    )
    marketplace_id: UUID
    number = models.PositiveIntegerField()
    commit = models.CharField(max_length=64)
    folder = models.CharField(max_length=200, blank=True)  # of the repository; '' is all of it
    author = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    committed_at = models.DateTimeField()
    imported_at = models.DateTimeField(auto_now_add=True)
    served_until = models.DateTimeField(null=True)  # when another took its place; null while it is served
    name = models.CharField(max_length=128, blank=True)  # as the repository's manifest calls itself
    description = models.TextField(blank=True)
    # There is no marketplace.json, and the repository's folders speak for it.
    derived = models.BooleanField(default=False, db_default=False)
    plugin_count = models.PositiveIntegerField()
    skill_count = models.PositiveIntegerField()
    # Plugins' former names, each with the name of by then.
    renames = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "marketplace", "id"], name="snapshot_key"),
            models.UniqueConstraint(fields=["organization", "id"], name="snapshot_organization_key"),
            models.UniqueConstraint(fields=["marketplace", "number"], name="snapshot_number"),
            SameOrganization(field="marketplace", name="snapshot_marketplace"),
        ]

    def __str__(self) -> str:
        return f"{self.marketplace_id} #{self.number} {self.commit[:12]}"
