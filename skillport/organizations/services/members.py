"""Members: who belongs to an organization, with which role, until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Max
from django.db.models.functions import Now

from skillport.accounts.models import Method, User
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import AdmittedBy, GroupMember, Membership, Organization
from skillport.permissions import Permission, by_bearer, require, require_confirmed_reach
from skillport.principal import Actor, Door, Principal, Role, SystemActor, called
from skillport.scoping import HasOrganizationKey, ScopedQuerySet, across_organizations, within


class LastOwner(SkillportError):
    code = "last_owner"
    status = 409
    message = "An organization needs an owner. Make somebody else an owner first."


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A member as pages and REST show one. Groups are names, in order."""

    id: UUID
    user_id: UUID
    name: str
    email: str
    role: Role
    groups: tuple[str, ...]
    admitted_by: str
    began_at: datetime

    @property
    def called(self) -> str:
        return called(self.name, self.email)


def list_members(*, principal: Principal) -> list[Member]:
    """Give the live members in the order of their names. Raises `NotAllowed`."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        live = _live(principal.organization).select_related("user")
        return sorted(
            _members(principal.organization, live), key=lambda one: (one.name.casefold(), one.email)
        )


def get_member(*, principal: Principal, membership_id: UUID) -> Member:
    """Give one live member. Raises `NotAllowed`, or `NotFound` for nobody's and another organization's."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        found = _live(principal.organization).select_related("user").filter(pk=membership_id)
        for member in _members(principal.organization, found):
            return member
        raise NotFound


def names_of_administrators(*, principal: Principal) -> list[str]:
    """Give at most three people who can help: every member may know whom to ask."""
    with within(principal.organization):
        able = _live(principal.organization).filter(role__in=[Role.OWNER, Role.ADMIN], user__is_active=True)
        return [str(one.user) for one in able.select_related("user").order_by("began_at", "id")[:3]]


def add_member(
    *,
    organization: Organization,
    user: User,
    role: Role,
    actor: Actor,
    admitted_by: AdmittedBy = AdmittedBy.OPERATOR,
    begun_in_session: str = "",
) -> Membership:
    """Let `user` belong to the organization from now on. A person has at most one live membership in it."""
    with within(organization):
        lock_members(organization)
        live = _live(organization).filter(user=user).first()
        if live:
            return live
        membership = Membership.objects.create(
            organization=organization,
            user=user,
            role=role,
            admitted_by=admitted_by,
            begun_in_session=begun_in_session,
        )
        audit.record(
            Action.MEMBERSHIP_BEGAN, actor=actor, target=membership, role=role, person=str(user.pk), by=admitted_by
        )  # fmt: skip
        return membership


def change_role(*, principal: Principal, membership_id: UUID, role: Role, now: datetime) -> None:
    """Give a member another role, from their next request on.

    Nobody gives or takes a role above their own; owners are made and unmade after a step-up.
    Raises `NotAllowed`, `StepUpRequired`, `NotFound` or `LastOwner`.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        membership = _find(principal.organization, membership_id)
        before = Role(membership.role)
        require_confirmed_reach(principal, before, role, now=now)
        if role == before:
            return
        if before == Role.OWNER:
            refuse_last_owner(principal.organization, membership_id)
        _live(principal.organization).filter(pk=membership_id).update(role=role)
        audit.record(
            Action.MEMBERSHIP_ROLE_CHANGED, actor=principal, target=membership, before=before, after=role
        )


def remove_member(*, principal: Principal, membership_id: UUID, now: datetime) -> None:
    """End somebody's membership, or one's own. Raises as `change_role` does."""
    with within(principal.organization):
        lock_members(
            principal.organization
        )  # first: nobody is to become an owner between the check and the end
        membership = _find(principal.organization, membership_id)
        role = Role(membership.role)
        if membership_id != principal.membership_id or by_bearer(principal):
            require(principal, Permission.MEMBERS_MANAGE)
            require_confirmed_reach(principal, role, now=now)
        end_membership(organization=principal.organization, membership_id=membership_id, actor=principal)


def end_membership(*, organization: HasOrganizationKey, membership_id: UUID, actor: Actor) -> None:
    """End a membership, and with it, in the same statement, every credential that hangs on it.

    Raises `NotFound` when there is no such live membership here, `LastOwner` for the only owner.
    """
    with within(organization):
        lock_members(organization)
        membership = _find(organization, membership_id)
        if membership.role == Role.OWNER:
            refuse_last_owner(organization, membership_id)
        _live(organization).filter(pk=membership_id).update(ended_at=Now())
        audit.record(Action.MEMBERSHIP_ENDED, actor=actor, target=membership, person=str(membership.user_id))


def longest_session(*, user_id: UUID) -> timedelta:
    """Tell how long a session of this person may last: as long as the most patient of their organizations allows."""
    with across_organizations(reason="a session lasts as long as the person's organizations allow"):
        live = Membership.objects.all_organizations().live().filter(user_id=user_id)
        hours = live.filter(organization__closed_at=None).aggregate(
            longest=Max("organization__session_hours")
        )["longest"]
    return timedelta(hours=hours) if hours else timedelta(seconds=settings.SESSION_COOKIE_AGE)


def record_local_sign_in(*, user_id: UUID) -> None:
    """Record in each organization that lets local accounts in that this member of theirs signed in with one."""
    with across_organizations(reason="a local account may belong to several organizations"):
        live = Membership.objects.all_organizations().live().filter(user_id=user_id)
        for membership in live.filter(organization__closed_at=None, organization__local_accounts=True):
            actor = by_sign_in(membership.organization_id)
            audit.record(
                Action.SIGNED_IN, actor=actor, target=membership, person=str(user_id), method=Method.LOCAL
            )


def by_sign_in(organization_id: UUID) -> SystemActor:
    """Give the actor of what happens by itself while somebody signs in."""
    return SystemActor(organization_id=organization_id, what="sign-in", door=Door.PAGE)


def lock_members(organization: HasOrganizationKey) -> None:
    """Let one transaction at a time change who belongs here and as what."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def refuse_last_owner(organization: HasOrganizationKey, membership_id: UUID) -> None:
    """Raise `LastOwner` when nobody else would be one. Needs the lock."""
    owners = Membership.objects.for_organization(organization).owners()
    if not owners.exclude(pk=membership_id).exists():
        raise LastOwner


def _live(organization: HasOrganizationKey) -> ScopedQuerySet[Membership]:
    return Membership.objects.for_organization(organization).live()


def _find(organization: HasOrganizationKey, membership_id: UUID) -> Membership:
    membership = _live(organization).filter(pk=membership_id).first()
    if membership is None:
        raise NotFound
    return membership


def _members(organization: HasOrganizationKey, memberships: Iterable[Membership]) -> Iterable[Member]:
    found = list(memberships)
    names: dict[UUID, list[str]] = {membership.pk: [] for membership in found}
    belonging = GroupMember.objects.for_organization(organization).filter(membership__in=names)
    for membership_id, name in belonging.order_by("group__name").values_list("membership_id", "group__name"):
        names[membership_id].append(name)
    for membership in found:
        yield Member(
            id=membership.pk,
            user_id=membership.user_id,
            name=membership.user.name,
            email=membership.user.email,
            role=Role(membership.role),
            groups=tuple(names[membership.pk]),
            admitted_by=membership.get_admitted_by_display(),
            began_at=membership.began_at,
        )
