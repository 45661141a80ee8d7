"""Organizations and who belongs to them."""

import uuid
from typing import ClassVar, Final, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from skillport.organizations.slugs import SLUG_PATTERN
from skillport.principal import OrganizationRef, Role
from skillport.scoping import OrganizationOwned, ScopedQuerySet

# A week: longer, and a person whom their provider has long blocked would still be signed in.
LONGEST_SESSION_HOURS: Final = 168


class AdmittedBy(models.TextChoices):
    """Why a membership began."""

    FOUNDING = "founding", "founded the organization"
    INVITATION = "invitation", "accepted an invitation"
    DOMAIN = "domain", "has an address of a verified domain"
    CONNECTION = "connection", "is known to the organization's provider"
    GROUP = "group", "belongs to an admitted group"
    APPROVAL = "approval", "asked, and was let in"
    OPERATOR = "operator", "was added by the operator"


class Organization(models.Model):
    """One company on this deployment. Its slug is in every address that a client stores: never renamed, never reused."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    session_hours = models.PositiveSmallIntegerField(default=12, db_default=12)
    local_accounts = models.BooleanField(
        default=True, db_default=True
    )  # may people with a password be members
    closing_at = models.DateTimeField(null=True)  # asked to be deleted: only owners get in, until then
    closed_at = models.DateTimeField(null=True)  # deleted: the row stays so that nobody gets its slug

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(slug__regex=f"^{SLUG_PATTERN}$"), name="organization_slug_form"
            ),
            models.CheckConstraint(
                condition=Q(session_hours__gte=1, session_hours__lte=LONGEST_SESSION_HOURS),
                name="organization_session_hours",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> OrganizationRef:
        """Give the organization as the plain value that principals carry."""
        return OrganizationRef(pk=self.pk, slug=self.slug, name=self.name)


class MembershipQuerySet(ScopedQuerySet["Membership"]):
    def live(self) -> Self:
        """Keep those that have not ended."""
        return self.filter(ended_at=None)

    def owners(self) -> Self:
        """Keep the live ones of owners."""
        return self.live().filter(role=Role.OWNER)


MembershipManager = models.Manager.from_queryset(MembershipQuerySet)


class Membership(OrganizationOwned):
    """A person inside one organization, from when until when.

    It ends and never restarts: someone who is invited again gets a new row, so nothing of before comes back. Every
    credential points here, so ending the row ends them all.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    user_id: UUID
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    began_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    admitted_by = models.CharField(max_length=10, choices=AdmittedBy.choices, default=AdmittedBy.OPERATOR)
    # By a group: at which connection, and which claim said what. While that one says it, the membership stays.
    admission_connection_id = models.UUIDField(null=True)
    admission_claim = models.CharField(max_length=100, blank=True)
    admission_group = models.CharField(max_length=255, blank=True)
    # The session in which it began counts although it is older: founding and accepting are that person's own acts.
    begun_in_session = models.CharField(max_length=64, blank=True)

    objects: "ClassVar[MembershipManager[Membership]]" = MembershipManager()

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
