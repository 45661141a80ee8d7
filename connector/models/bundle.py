"""Bundles: a release's files as one archive, built once and kept, so that every download has the same bytes."""

from django.db import models

from marketplaces.models import Release
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Bundle(OrganizationOwned):
    """A deterministic `.tar.gz` of one release (`connector/install/bundles.py`)."""

    release = models.OneToOneField(Release, models.CASCADE, related_name="bundle", db_constraint=False)
    archive = models.BinaryField()

    class Meta:
        constraints = [SameOrganization(field="release", name="bundle_release")]

    def __str__(self) -> str:
        return str(self.release)
