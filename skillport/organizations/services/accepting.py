"""Accepting an invitation: who holds the link and is signed in becomes a member, once."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models.functions import Now

from skillport import tokens
from skillport.accounts.models import User
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.organizations.models import AdmittedBy, Invitation, Membership, Organization
from skillport.organizations.services.groups import join_groups
from skillport.organizations.services.members import add_member, lock_members
from skillport.permissions import ALLOWED, Permission, reaches
from skillport.principal import Door, Principal, Role, SystemActor
from skillport.scoping import ScopedQuerySet, across_organizations, within


class InvitationUnknown(SkillportError):
    """Never made, expired, revoked, or made by somebody who may no longer invite: one answer for all four."""

    code = "invitation_unknown"
    status = 404
    message = "This invitation is not valid, or its seven days are over. Ask for a new one."


class InvitationUsed(SkillportError):
    code = "invitation_used"
    status = 410
    message = "This invitation was already accepted. If that was not you, ask for a new one."


class AlreadyInside(SkillportError):
    code = "already_inside"
    status = 409
    message = (
        "You are a member of this organization already, so the invitation was not used. It is still good for "
        "somebody else: sign in as that person to accept it."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What an open invitation offers, to whoever holds its link."""

    organization_name: str
    organization_slug: str
    role: Role
    invited_by: str


def look_up_invitation(*, digest: bytes) -> Offer:
    """Give what an open invitation offers. Raises `InvitationUnknown` or `InvitationUsed`."""
    with across_organizations(reason="an invitation names its organization"):
        row = (
            Invitation.objects.all_organizations()
            .filter(digest=digest)
            .select_related("organization")
            .first()
        )
        if row is None:
            raise InvitationUnknown
        with within(row.organization_id):
            inviter = _require_open(row)
            return Offer(
                organization_name=row.organization.name,
                organization_slug=row.organization.slug,
                role=Role(row.role),
                invited_by=str(inviter.user),
            )


def accept_invitation(*, digest: bytes, user_id: UUID, begun_in_session: str) -> Membership:
    """Make the person who is signed in a member, in the invitation's role and those of its groups that still exist.

    The conditional UPDATE is the lock: of two people who accept at once exactly one sees a row change, and the other
    one's membership is rolled back. The same person may repeat it, as double clicks do. `begun_in_session` is the key
    of the session (`sessions.digest`). Raises `InvitationUnknown`, `InvitationUsed` or `AlreadyInside`.
    """
    with across_organizations(reason="an invitation names its organization"):
        row = (
            Invitation.objects.all_organizations()
            .filter(digest=digest)
            .select_related("organization")
            .first()
        )
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if row is None or user is None:
            raise InvitationUnknown
        with within(row.organization_id):
            lock_members(row.organization)
            row.refresh_from_db(fields=["accepted_at", "membership"])
            live = _live(row.organization_id).filter(user=user).first()
            if live is not None and row.membership_id == live.pk:
                return live
            _require_open(row)
            if live is not None:
                raise AlreadyInside
            return _accept(row, digest, user, begun_in_session)


def _accept(row: Invitation, digest: bytes, user: User, begun_in_session: str) -> Membership:
    membership = add_member(
        organization=row.organization,
        user=user,
        role=Role(row.role),
        actor=SystemActor(organization_id=row.organization_id, what="invitation", door=Door.PAGE),
        admitted_by=AdmittedBy.INVITATION,
        begun_in_session=begun_in_session,
    )
    if not _open(row.organization_id, digest).update(accepted_at=Now(), membership=membership):
        raise InvitationUnknown
    actor = Principal(
        organization=row.organization.ref,
        membership_id=membership.pk,
        user_id=user.pk,
        email=user.email,
        name=user.name,
        role=Role(row.role),
        scopes=frozenset(),
        door=Door.PAGE,
    )
    audit.record(Action.INVITATION_ACCEPTED, actor=actor, target=row, role=row.role)
    join_groups(membership=membership, group_ids=row.group_ids, actor=actor)
    return membership


def _require_open(row: Invitation) -> Membership:
    """Give who vouches for the invitation: a live member who could still make it. Needs the organization's block.

    Raises `InvitationUsed` or `InvitationUnknown`.
    """
    if row.accepted_at:
        raise InvitationUsed
    inviter = _live(row.organization_id).select_related("user").filter(pk=row.invited_by_id).first()
    serving = Organization.objects.filter(pk=row.organization_id, closing_at=None, closed_at=None)
    if (
        inviter is None
        or Permission.MEMBERS_MANAGE not in ALLOWED[Role(inviter.role)]
        or not reaches(Role(inviter.role), Role(row.role))
        or not serving.exists()
        or not _open(row.organization_id, bytes(row.digest)).exists()
    ):
        raise InvitationUnknown
    return inviter


def _open(organization_id: UUID, digest: bytes) -> ScopedQuerySet[Invitation]:
    return Invitation.objects.for_organization(organization_id).filter(
        digest=digest, accepted_at=None, revoked_at=None, expires_at__gt=Now()
    )


def _live(organization_id: UUID) -> ScopedQuerySet[Membership]:
    return Membership.objects.for_organization(organization_id).live().filter(user__is_active=True)


def digest_of_invitation(secret: str) -> bytes:
    """Give that under which an invitation is kept. Raises `InvitationUnknown` for what cannot be one's secret."""
    if not tokens.well_formed(secret, tokens.Prefix.INVITATION):
        raise InvitationUnknown
    return tokens.digest(secret)
