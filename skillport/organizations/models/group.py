"""Groups of members, made by hand or fed by what a provider says of people."""

import uuid
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from skillport.organizations.models.organization import Membership
from skillport.organizations.models.sign_in import SignInConnection
from skillport.scoping import OrganizationOwned
from skillport.walls import SameOrganization


class Group(OrganizationOwned):
    """A name for several members. With a connection, its members are those for whom the provider says `claim_value`;
    without one, those whom somebody put in by hand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    connection = models.ForeignKey(
        SignInConnection, models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    connection_id: UUID | None
    claim_value = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="group_key"),
            models.UniqueConstraint("organization", Lower("name"), name="group_name"),
            models.UniqueConstraint(
                fields=["organization", "connection", "claim_value"],
                condition=Q(connection__isnull=False),
                name="group_claim",
            ),
            models.CheckConstraint(
                condition=Q(connection=None, claim_value="")
                | (Q(connection__isnull=False) & ~Q(claim_value="")),
                name="group_source",
            ),
            SameOrganization(field="connection", name="group_connection"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_fed(self) -> bool:
        """Tell whether a provider decides who is in it."""
        return self.connection_id is not None


class GroupMember(OrganizationOwned):
    """One member of one group."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="members", db_constraint=False)
    group_id: UUID
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="groups", db_constraint=False)
    membership_id: UUID
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "membership", "group"], name="group_member_once"),
            SameOrganization(field="group", name="group_member_group"),
            SameOrganization(field="membership", name="group_member_membership"),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id} in {self.group_id}"
