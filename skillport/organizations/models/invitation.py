"""Invitations: the right to become a member once, for whoever holds the link, until it expires."""

import uuid
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from skillport.organizations.models.organization import Membership
from skillport.principal import Role
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Invitation(OrganizationOwned):
    """Sent to an address and kept by digest. Whoever accepts it is bound to it: it never works for a second person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    group_ids = ArrayField(models.UUIDField(), default=list)  # those that still exist are joined
    digest = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(Membership, models.CASCADE, related_name="+", db_constraint=False)
    invited_by_id: UUID
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    membership = models.ForeignKey(
        Membership, models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    membership_id: UUID | None

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(accepted_at=None, membership=None)
                | Q(accepted_at__isnull=False, membership__isnull=False),
                name="invitation_accepted_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="invitation_role"
            ),
            SameOrganization(field="invited_by", name="invitation_invited_by"),
            SameOrganization(field="membership", name="invitation_membership"),
        ]
        indexes = [models.Index(fields=["organization", "-created_at"], name="invitation_newest_first")]

    def __str__(self) -> str:
        return self.email
