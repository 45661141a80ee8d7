"""API keys: for scripts, and (with the `connector` scope) for the connector."""

import uuid
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from skillport.organizations.models import Membership
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class ApiKey(OrganizationOwned):
    """A member's key. Acts with the member's role, narrowed to the key's scopes; ends with the membership."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="api_keys", db_constraint=False)
    membership_id: UUID
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True)
    last_four = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=40))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [SameOrganization(field="membership", name="api_key_membership")]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"
