"""What the operator lets one organization have, where that is not what the settings say for all."""

from django.db import models

from skillport.scoping import OrganizationOwned


class Quota(OrganizationOwned):
    """An organization's own limits. Null, or no row: the deployment's."""

    stored_bytes = models.PositiveBigIntegerField(null=True)
    marketplaces = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization"], name="quota_of_organization")]

    def __str__(self) -> str:
        return f"quota {self.pk}"
