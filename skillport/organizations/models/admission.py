"""Who is let in without an invitation, and who waits until somebody decides."""

import uuid
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q

from skillport.organizations.models.organization import Membership
from skillport.organizations.models.sign_in import SignInConnection
from skillport.principal import Role
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class By(models.TextChoices):
    """What about a person lets them in."""

    DOMAIN = "domain", "everybody of a verified domain"
    GROUP = "group", "everybody for whom the provider says a group"
    CONNECTION = "connection", "everybody whom the provider knows"


class Admission(models.TextChoices):
    AUTOMATIC = "automatic", "at once"
    APPROVAL = "approval", "after somebody approves"


class AdmissionRule(OrganizationOwned):
    """Lets those in who come through a connection with something about them; with which role, and whether at once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(
        SignInConnection, models.CASCADE, related_name="admission_rules", db_constraint=False
    )
    connection_id: UUID
    by = models.CharField(max_length=10, choices=By.choices)
    value = models.CharField(max_length=255, blank=True)  # the domain or the group; '' for everybody
    admission = models.CharField(max_length=10, choices=Admission.choices)
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "connection", "by", "value"], name="admission_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(by=By.CONNECTION, value="") | (~Q(by=By.CONNECTION) & ~Q(value="")),
                name="admission_rule_value",
            ),
            # Nobody becomes an owner by what a provider says.
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role if role is not Role.OWNER]),
                name="admission_rule_role",
            ),
            SameOrganization(field="connection", name="admission_rule_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.get_by_display()} {self.value}".strip()


class JoinReason(models.TextChoices):
    APPROVAL = "approval", "the organization approves everybody who comes this way"
    NEW_SUBJECT = "subject", "somebody with the same e-mail address is known here under another identity"
    RETURNING = "returning", "was a member before"


class JoinRequest(OrganizationOwned):
    """Somebody who signed in and waits until an administrator decides. Holds what they were known by at that time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    user_id: UUID
    connection = models.ForeignKey(SignInConnection, models.CASCADE, related_name="+", db_constraint=False)
    connection_id: UUID
    reason = models.CharField(max_length=10, choices=JoinReason.choices)
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)
    membership = models.ForeignKey(  # what came of it; None when it was refused
        Membership, models.CASCADE, null=True, related_name="+", db_constraint=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"], condition=Q(decided_at=None), name="join_request_one_open"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role if role is not Role.OWNER]),
                name="join_request_role",
            ),
            SameOrganization(field="connection", name="join_request_connection"),
            SameOrganization(field="membership", name="join_request_membership"),
        ]

    def __str__(self) -> str:
        return self.email or self.name or str(self.pk)
