"""A bound repository, and the snapshot of it that is served."""

import uuid
from uuid import UUID

from django.db import models
from django.db.models import Q

from marketplaces.manifest.names import SLUG
from skillport.encryption import EncryptedText
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Marketplace(OrganizationOwned):
    """A git repository that an organization publishes skills from."""

    # Random, because it is the whole of the webhook's address.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=64)
    url = models.CharField(max_length=500)
    branch = models.CharField(max_length=200, blank=True)  # '' follows the repository's default branch
    username = models.CharField(max_length=200, blank=True)
    credential = EncryptedText()
    credential_last_four = models.CharField(max_length=4, blank=True)
    webhook_secret = EncryptedText()
    created_at = models.DateTimeField(auto_now_add=True)

    # RESTRICT, not PROTECT: deleting the marketplace deletes its snapshots with it.
    current_snapshot = models.ForeignKey(
        "marketplaces.Snapshot", models.RESTRICT, null=True, related_name="+", db_constraint=False
    )
    last_snapshot_number = models.PositiveIntegerField(default=0)
    # Raised by every worker that takes up a run; a worker whose number is no longer this one may not write.
    fence = models.PositiveBigIntegerField(default=0)
    next_poll_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="marketplace_key"),
            models.UniqueConstraint(fields=["organization", "slug"], name="marketplace_slug"),
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
    author = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    committed_at = models.DateTimeField()
    imported_at = models.DateTimeField(auto_now_add=True)
    name = models.CharField(max_length=128, blank=True)  # as the repository's manifest calls itself
    description = models.TextField(blank=True)
    plugin_count = models.PositiveIntegerField()
    skill_count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "marketplace", "id"], name="snapshot_key"),
            models.UniqueConstraint(fields=["organization", "id"], name="snapshot_organization_key"),
            models.UniqueConstraint(fields=["marketplace", "number"], name="snapshot_number"),
            SameOrganization(field="marketplace", name="snapshot_marketplace"),
        ]

    def __str__(self) -> str:
        return f"{self.marketplace_id} #{self.number} {self.commit[:12]}"
