"""Organizations and who belongs to them."""

import uuid
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from skillport.organizations.slugs import SLUG_PATTERN
from skillport.principal import OrganizationRef, Role
from skillport.scoping import OrganizationOwned


class Organization(models.Model):
    """One company on this deployment. Its slug is in every address that a client stores: never renamed, never reused."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(slug__regex=f"^{SLUG_PATTERN}$"), name="organization_slug_form"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> OrganizationRef:
        """Give the organization as the plain value that principals carry."""
        return OrganizationRef(pk=self.pk, slug=self.slug, name=self.name)


class Membership(OrganizationOwned):
    """A person inside one organization, from when until when.

    It ends and never restarts: someone who is invited again gets a new row, so nothing of before comes back. Every
    credential points here, so ending the row ends them all.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    user_id: UUID
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    began_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="membership_key"),
            models.UniqueConstraint(
                fields=["organization", "user"], condition=Q(ended_at=None), name="membership_one_live"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="membership_ends_after_it_began",
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.pk}"
