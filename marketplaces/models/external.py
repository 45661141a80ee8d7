"""Plugins that a marketplace lists and another repository has: which, what was mirrored of it, and with what credential."""

import uuid
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from marketplaces.models.content import Blob
from marketplaces.models.marketplace import Marketplace
from skillport.encryption import EncryptedText
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class ExternalCredential(OrganizationOwned):
    """What a marketplace's external sources on one host are read with. Without one they are read as anybody would."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    marketplace = models.ForeignKey(Marketplace, models.CASCADE, related_name="+", db_constraint=False)
    marketplace_id: UUID
    host = models.CharField(max_length=260)  # as `manifest.external.host_of` writes it
    username = models.CharField(max_length=200, blank=True)
    credential = EncryptedText()
    credential_last_four = models.CharField(max_length=4, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="external_credential_key"),
            models.UniqueConstraint(fields=["marketplace", "host"], name="external_credential_host"),
            SameOrganization(field="marketplace", name="external_credential_marketplace"),
        ]

    def __str__(self) -> str:
        return self.host


class MirrorState(models.TextChoices):
    WAITING = "waiting", "waiting to be asked"
    RUNNING = "running", "being mirrored"
    MIRRORED = "mirrored", "mirrored"
    FAILED = "failed", "failed"


class ExternalSource(OrganizationOwned):
    """Another repository at one commit (`sha`) or at the head of `ref` ('' for its default branch), and its mirror.

    One row for all marketplaces of the organization that list it, except that what a credential reads is only for the
    marketplace that has the credential. Rows that wait are the queue; at most `slot`s run at once in an organization.
    """

    credential = models.ForeignKey(
        ExternalCredential, models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    credential_id: UUID | None
    url = models.CharField(max_length=500)
    host = models.CharField(max_length=260)
    ref = models.CharField(max_length=200, blank=True)
    sha = models.CharField(max_length=64, blank=True)

    # What is mirrored: the files below `folders` of `commit`. Both stay while a newer commit is asked for.
    commit = models.CharField(max_length=64, blank=True)
    folders = ArrayField(models.CharField(max_length=400), default=list)
    file_count = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    mirrored_at = models.DateTimeField(null=True)

    state = models.CharField(max_length=10, choices=MirrorState.choices, default=MirrorState.WAITING)
    not_before = models.DateTimeField(
        null=True
    )  # the next try comes later: it failed, or its host asked for a pause
    asked_at = models.DateTimeField(null=True)  # when the last try ended, well or not
    failures = models.PositiveSmallIntegerField(default=0)  # one after the other
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    unused_since = models.DateTimeField(null=True)

    fence = models.PositiveBigIntegerField(default=0)
    slot = models.PositiveSmallIntegerField(null=True)
    leased_by = models.CharField(max_length=100, blank=True)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="external_source_key"),
            models.UniqueConstraint(
                fields=["organization", "url", "ref", "sha", "credential"],
                name="external_source_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(fields=["organization", "slot"], name="external_source_slot"),
            models.CheckConstraint(
                condition=Q(state=MirrorState.RUNNING, slot__isnull=False)
                | (~Q(state=MirrorState.RUNNING) & Q(slot=None)),
                name="external_source_slot_while_running",
            ),
            SameOrganization(field="credential", name="external_source_credential"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "id"],
                condition=Q(state__in=[MirrorState.WAITING, MirrorState.RUNNING]),
                name="external_source_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.url} {self.sha or self.ref}"


class ExternalUse(OrganizationOwned):
    """That a plugin of a marketplace, as its newest reading has it, comes from `folder` of an external source."""

    marketplace = models.ForeignKey(
        Marketplace, models.CASCADE, related_name="external_uses", db_constraint=False
    )
    marketplace_id: UUID
    plugin = models.CharField(max_length=128)
    source = models.ForeignKey(ExternalSource, models.CASCADE, related_name="uses", db_constraint=False)
    source_id: int
    folder = models.CharField(max_length=400, blank=True)  # '' is the whole repository

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["marketplace", "plugin"], name="external_use_plugin"),
            SameOrganization(field="marketplace", name="external_use_marketplace"),
            SameOrganization(field="source", name="external_use_source"),
        ]
        indexes = [models.Index(fields=["source"], name="external_use_by_source")]

    def __str__(self) -> str:
        return f"{self.plugin} {self.folder}"


class ExternalFile(OrganizationOwned):
    """One entry of a mirrored commit's tree. It holds its blob, so that collection leaves that alone.

    `path` is raw, as git has it. `blob` is None for what is not here: a submodule, or a file over the limit.
    """

    source = models.ForeignKey(ExternalSource, models.CASCADE, related_name="files", db_constraint=False)
    source_id: int
    path = models.BinaryField()
    mode = models.CharField(max_length=6)
    git_id = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField(null=True)
    blob = models.ForeignKey(Blob, models.RESTRICT, null=True, related_name="+", db_constraint=False)
    blob_id: int | None

    class Meta:
        constraints = [
            SameOrganization(field="source", name="external_file_source"),
            # Not deferrable, as for the files of releases: a DELETE of the blob waits for a mirror that uses it.
            SameOrganization(field="blob", name="external_file_blob", deferrable=False),
        ]
        indexes = [
            models.Index(fields=["source"], name="external_file_by_source"),
            models.Index(fields=["blob"], name="external_file_by_blob"),
        ]

    def __str__(self) -> str:
        return self.git_id
