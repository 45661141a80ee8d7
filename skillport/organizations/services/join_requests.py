"""Requests to join: people who signed in and wait until somebody decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models.functions import Now

from skillport.accounts.models import User
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound
from skillport.organizations.models import (
    AdmittedBy,
    JoinReason,
    JoinRequest,
    Membership,
    Organization,
    SignInConnection,
)
from skillport.organizations.services.members import add_member, by_sign_in, lock_members
from skillport.permissions import Permission, require, require_confirmed_reach
from skillport.principal import Principal, Role, called
from skillport.scoping import ScopedQuerySet, within

# Whom somebody refused is not asked about again at each of their sign-ins.
STAYS_REFUSED: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A person who waits, as they were known when they asked. `role` is what their way in would give them."""

    id: UUID
    name: str
    email: str
    connection: str
    reason: JoinReason
    role: Role
    asked_at: datetime

    @property
    def called(self) -> str:
        return called(self.name, self.email)


def list_join_requests(*, principal: Principal) -> list[Waiting]:
    """Give who waits, the longest first. Raises `NotAllowed`."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        rows = _open(principal).select_related("connection").order_by("created_at", "id")
        return [
            Waiting(
                id=row.pk,
                name=row.name,
                email=row.email,
                connection=row.connection.name,
                reason=JoinReason(row.reason),
                role=Role(row.role),
                asked_at=row.created_at,
            )
            for row in rows
        ]


def approve_join_request(
    *, principal: Principal, request_id: UUID, role: Role | None = None, now: datetime
) -> Membership:
    """Let the person in, as `role` or as what their way in gives; they are inside from their next sign-in on.

    Somebody with the same e-mail address who is a member stays one, untouched: they are two people until the old
    membership is ended. Raises `NotAllowed`, `StepUpRequired` for owners, or `NotFound`.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find(principal, request_id)
        given = role or Role(row.role)
        require_confirmed_reach(principal, given, now=now)
        membership = add_member(
            organization=row.organization,
            user=row.user,
            role=given,
            actor=principal,
            admitted_by=AdmittedBy.APPROVAL,
        )
        _open(principal).filter(pk=request_id).update(decided_at=Now(), membership=membership)
        return membership


def refuse_join_request(*, principal: Principal, request_id: UUID) -> None:
    """Keep the person out; for thirty days their sign-ins do not ask again. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find(principal, request_id)
        _open(principal).filter(pk=request_id).update(decided_at=Now())
        audit.record(Action.MEMBERSHIP_REFUSED, actor=principal, target=row, person=str(row.user_id))


def open_join_request(
    *, organization: Organization, user: User, connection: SignInConnection, reason: JoinReason, role: Role
) -> JoinRequest:
    """Let a person who signed in wait for a decision; asking again changes nothing.

    Gives the request that waits, or the one that was refused in the last thirty days (it has `decided_at`).
    """
    with within(organization):
        lock_members(organization)
        known = request_of(organization=organization, user=user)
        if known is not None:
            return known
        row = JoinRequest.objects.create(
            organization=organization,
            user=user,
            connection=connection,
            reason=reason,
            role=role,
            email=user.email,
            name=user.name,
        )
        actor = by_sign_in(organization.pk)
        audit.record(Action.MEMBERSHIP_ASKED_FOR, actor=actor, target=row, person=str(user.pk), reason=reason)
        return row


def request_of(*, organization: Organization, user: User) -> JoinRequest | None:
    """Give the person's request that waits, or the one that was refused in the last thirty days. Needs the block."""
    asked = JoinRequest.objects.for_organization(organization).filter(user=user)
    refused = asked.filter(membership=None, decided_at__gt=Now() - STAYS_REFUSED)
    return asked.filter(decided_at=None).first() or refused.order_by("-decided_at").first()


def _open(principal: Principal) -> ScopedQuerySet[JoinRequest]:
    return JoinRequest.objects.for_organization(principal.organization).filter(
        decided_at=None, user__is_active=True
    )


def _find(principal: Principal, request_id: UUID) -> JoinRequest:
    row = _open(principal).select_related("organization", "user").filter(pk=request_id).first()
    if row is None:
        raise NotFound
    return row
