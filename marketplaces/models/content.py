"""Exact content, addressed by digest within one organization: blobs, and releases made of them."""

from django.db import models
from django.db.models.functions import Now

from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Blob(OrganizationOwned):
    """The bytes of one or more files. `digest` is SHA-256 of the content; `git_id` saves reading known blobs again.

    Never shared between organizations: a shared blob would tell by its timing who has what.
    """

    digest = models.BinaryField(max_length=32)
    git_id = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    content = models.BinaryField()
    # An import touches this when it means to use a blob that no file names, and collection when it takes the last name
    # away: from then on it is left alone for a while (`services/collecting.py`).
    claimed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="blob_key"),
            models.UniqueConstraint(fields=["organization", "digest"], name="blob_digest"),
        ]
        indexes = [
            models.Index(fields=["organization", "git_id"], name="blob_git_id"),
            models.Index(fields=["organization"], include=["size_bytes"], name="blob_sizes"),
        ]

    def __str__(self) -> str:
        return self.git_id


class Release(OrganizationOwned):
    """The exact files of a plugin or a skill. Equal content is one release, whoever lists it.

    `digest` is computed by `marketplaces.manifest.digests.release_digest` over paths, modes and file digests. This header
    outlives the files: versions and usage name it. When the same content comes back, it gets its files again.
    """

    digest = models.BinaryField(max_length=32)
    file_count = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    collected_at = models.DateTimeField(null=True)  # since when it has no files any more

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="release_key"),
            models.UniqueConstraint(fields=["organization", "digest"], name="release_digest"),
        ]

    def __str__(self) -> str:
        return bytes(self.digest).hex()[:16]


class ReleaseFile(OrganizationOwned):
    """One file of a release: a relative path with `/`, a blob, and whether it is executable."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="files", db_constraint=False)
    path = models.CharField(max_length=400)
    executable = models.BooleanField()
    blob = models.ForeignKey(Blob, models.RESTRICT, related_name="+", db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["release", "path"], name="release_file_path"),
            SameOrganization(field="release", name="release_file_release"),
            # Not deferrable: a DELETE of the blob waits for an import that uses it, and then fails.
            SameOrganization(field="blob", name="release_file_blob", deferrable=False),
        ]
        indexes = [models.Index(fields=["blob"], name="release_file_by_blob")]

    def __str__(self) -> str:
        return self.path
