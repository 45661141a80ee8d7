"""Invitations: a link that lets one person become a member, within seven days."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations import mail
from skillport.organizations.models import Invitation, Membership
from skillport.organizations.services.groups import hand_made
from skillport.organizations.services.members import lock_members
from skillport.permissions import Permission, require, require_confirmed_reach, require_reach
from skillport.principal import Principal, Role
from skillport.scoping import ScopedQuerySet, within

LIFETIME: Final = timedelta(days=7)
MOST_OPEN: Final = 500
MOST_LISTED: Final = 1000
LONGEST_EMAIL: Final = 254


class InvitationRefused(SkillportError):
    """Something about the invitation cannot be so; the message says what."""

    code = "invitation_refused"
    status = 422


class AlreadyMember(SkillportError):
    code = "already_member"
    status = 409
    message = "Somebody with this e-mail address is a member already, so nothing was sent. Change their role or groups instead."


class AlreadyInvited(SkillportError):
    code = "already_invited"
    status = 409
    message = "This address has an open invitation. Send that one again, or revoke it first."


class InvitationClosed(SkillportError):
    code = "invitation_closed"
    status = 409
    message = "This invitation was accepted or revoked. Make a new one."


class State(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invited:
    """An invitation as pages and REST show one. Its link is in none of them."""

    id: UUID
    email: str
    role: Role
    group_ids: tuple[UUID, ...]
    state: State
    invited_by: str
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A new link, shown once. `mail_sent` tells whether the mail left; where not, the link is to be copied."""

    invitation: Invited
    link: str = field(repr=False)
    mail_sent: bool


def list_invitations(*, principal: Principal) -> list[Invited]:
    """Give the newest thousand invitations, whatever became of them, the newest first. Raises `NotAllowed`."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        return [_shown(row) for row in _all(principal).order_by("-created_at", "id")[:MOST_LISTED]]


def create_invitation(
    *, principal: Principal, email: str, role: Role, group_ids: Sequence[UUID] = (), now: datetime
) -> Sent:
    """Invite whoever holds the link that is mailed to `email`, to come in as `role` and into these groups.

    Raises `NotAllowed`, `StepUpRequired` for owners, `InvitationRefused`, `AlreadyMember`, `AlreadyInvited`, or
    `NotFound` for a group that is not there or that a provider fills.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    require_confirmed_reach(principal, role, now=now)
    email = _checked(email)
    minted = tokens.mint(tokens.Prefix.INVITATION)
    with within(principal.organization):
        lock_members(principal.organization)
        _refuse_known(principal, email)
        if _open(principal).count() >= MOST_OPEN:
            raise InvitationRefused(f"{MOST_OPEN} invitations are open already. Revoke some first.")
        wanted = list(dict.fromkeys(group_ids))
        if hand_made(organization_id=principal.organization_id, group_ids=wanted).count() != len(wanted):
            raise NotFound
        row = Invitation.objects.create(
            organization_id=principal.organization_id,
            email=email,
            role=role,
            group_ids=wanted,
            digest=minted.digest,
            invited_by_id=principal.membership_id,
            sent_at=Now(),
            expires_at=Now() + LIFETIME,
        )
        audit.record(Action.INVITATION_CREATED, actor=principal, target=row, role=role)
        shown = _shown(_find(principal, row.pk))
    return _send(principal, shown, minted.plain_secret)


def resend_invitation(*, principal: Principal, invitation_id: UUID, now: datetime) -> Sent:
    """Mail a new link, good for seven days from now; the old one is dead. Who sends it is who invites from now on.

    Raises as `create_invitation`, `NotFound`, or `InvitationClosed`.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    minted = tokens.mint(tokens.Prefix.INVITATION)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find_pending(principal, invitation_id)
        require_confirmed_reach(principal, Role(row.role), now=now)
        _refuse_known(principal, row.email, besides=invitation_id)
        _pending(principal).filter(pk=invitation_id).update(
            digest=minted.digest,
            invited_by_id=principal.membership_id,
            sent_at=Now(),
            expires_at=Now() + LIFETIME,
        )
        audit.record(Action.INVITATION_RESENT, actor=principal, target=row, role=row.role)
        shown = _shown(_find(principal, invitation_id))
    return _send(principal, shown, minted.plain_secret)


def revoke_invitation(*, principal: Principal, invitation_id: UUID) -> None:
    """Let the link be dead from now on. Raises `NotAllowed`, `NotFound` or `InvitationClosed`."""
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find_pending(principal, invitation_id)
        require_reach(principal, Role(row.role))
        _pending(principal).filter(pk=invitation_id).update(revoked_at=Now())
        audit.record(Action.INVITATION_REVOKED, actor=principal, target=row, role=row.role)


def _checked(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise InvitationRefused("Give an e-mail address, as in alice@example.org.") from None
    if len(email) > LONGEST_EMAIL:
        raise InvitationRefused(f"Give an e-mail address of at most {LONGEST_EMAIL} characters.")
    return email


def _refuse_known(principal: Principal, email: str, besides: UUID | None = None) -> None:
    """Raise when a live member or another open invitation has this address. Needs the lock."""
    live = Membership.objects.for_organization(principal.organization).live()
    if live.filter(user__email__iexact=email).exists():
        raise AlreadyMember
    others = _open(principal).filter(email__iexact=email)
    if (others.exclude(pk=besides) if besides else others).exists():
        raise AlreadyInvited


def _send(principal: Principal, shown: Invited, plain_secret: str) -> Sent:
    # The secret stands in the fragment, which browsers keep to themselves: it reaches no server's log.
    link = f"{settings.SITE_URL}/accounts/invitation#{plain_secret}"
    inviter, organization = (
        mail.one_line(text)[:100] for text in (principal.actor_name, principal.organization.name)
    )
    mail_sent = mail.send(
        to=shown.email,
        subject=f"{inviter} invites you to {organization} on Skillport",
        text=(
            f"{inviter} invites you to {organization} on Skillport, where {organization} keeps the skills that its "
            f"people use with Claude and other agents.\n\nJoin within seven days, by this link:\n\n{link}\n\n"
            "It works once, for whoever opens it first. If you did not expect it, there is nothing to do.\n"
        ),
    )
    return Sent(invitation=shown, link=link, mail_sent=mail_sent)


def _all(principal: Principal) -> ScopedQuerySet[Invitation]:
    over = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    rows = Invitation.objects.for_organization(principal.organization)
    return rows.select_related("invited_by__user").annotate(over=over)


def _pending(principal: Principal) -> ScopedQuerySet[Invitation]:
    return Invitation.objects.for_organization(principal.organization).filter(
        accepted_at=None, revoked_at=None
    )


def _open(principal: Principal) -> ScopedQuerySet[Invitation]:
    return _pending(principal).filter(expires_at__gt=Now())


def _find(principal: Principal, invitation_id: UUID) -> Invitation:
    row = _all(principal).filter(pk=invitation_id).first()
    if row is None:
        raise NotFound
    return row


def _find_pending(principal: Principal, invitation_id: UUID) -> Invitation:
    row = _find(principal, invitation_id)
    if row.accepted_at or row.revoked_at:
        raise InvitationClosed
    return row


def _shown(row: Invitation) -> Invited:
    if row.accepted_at:
        state = State.ACCEPTED
    elif row.revoked_at:
        state = State.REVOKED
    else:
        state = State.EXPIRED if row.over else State.OPEN  # type: ignore[attr-defined]
    return Invited(
        id=row.pk,
        email=row.email,
        role=Role(row.role),
        group_ids=tuple(row.group_ids),
        state=state,
        invited_by=str(row.invited_by.user),
        created_at=row.created_at,
        sent_at=row.sent_at,
        expires_at=row.expires_at,
        accepted_at=row.accepted_at,
    )
