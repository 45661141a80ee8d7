"""Groups: a name for several members, filled by hand or by what a provider says of people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.deletion import RestrictedError

from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import Group, GroupMember, Kind, Membership, SignInConnection
from skillport.organizations.services.members import by_sign_in, lock_members
from skillport.permissions import Permission, require
from skillport.principal import Actor, Principal, called
from skillport.scoping import ScopedQuerySet, within

MOST_GROUPS: Final = 500
LONGEST_NAME: Final = 100
LONGEST_CLAIM: Final = 255


class GroupRefused(SkillportError):
    """Something about the group cannot be so; the message says what."""

    code = "group_refused"
    status = 422


class GroupInUse(SkillportError):
    code = "group_in_use"
    status = 409
    message = (
        "Access rules name this group, or a group that this connection fills. Remove those rules first; until then "
        "everything stays as it is."
    )


class GroupFed(SkillportError):
    code = "group_fed"
    status = 409
    message = (
        "A provider says who is in this group, and that changes when people sign in. Change it there, or use a group "
        "that is filled by hand."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Who fills a group: a connection's provider, by the people for whom its claim holds `claim_value`."""

    connection_id: UUID
    connection: str
    claim_value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupInList:
    """A group as lists show one. `source` is None for a group that is filled by hand."""

    id: UUID
    name: str
    source: Source | None
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonInGroup:
    membership_id: UUID
    name: str
    email: str

    @property
    def called(self) -> str:
        return called(self.name, self.email)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupWithMembers:
    """A group with its live members, in the order of their names."""

    id: UUID
    name: str
    source: Source | None
    members: tuple[PersonInGroup, ...]


# --- reading ----------------------------------------------------------------------------------------------------------


def list_groups(*, principal: Principal) -> list[GroupInList]:
    """Give the groups in the order of their names. Raises `NotAllowed`."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        sized = _own(principal).annotate(size=Count("members", filter=Q(members__membership__ended_at=None)))
        groups = [
            GroupInList(id=row.pk, name=row.name, source=_source(row), size=row.size)
            for row in sized.select_related("connection")
        ]
    return sorted(groups, key=lambda one: one.name.casefold())


def get_group(*, principal: Principal, group_id: UUID) -> GroupWithMembers:
    """Give one group with who is in it. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.MEMBERS_READ)
    with within(principal.organization):
        row = _find(principal, group_id)
        inside = GroupMember.objects.for_organization(principal.organization).filter(
            group=row, membership__ended_at=None
        )
        people = [
            PersonInGroup(
                membership_id=one.membership_id,
                name=one.membership.user.name,
                email=one.membership.user.email,
            )
            for one in inside.select_related("membership__user")
        ]
        people.sort(key=lambda person: (person.name.casefold(), person.email))
        return GroupWithMembers(id=row.pk, name=row.name, source=_source(row), members=tuple(people))


def list_feeders(*, principal: Principal) -> list[tuple[UUID, str]]:
    """Give id and name of the connections whose providers say groups. Raises `NotAllowed`."""
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        return list(_feeders(principal).order_by("name", "id").values_list("pk", "name"))


# --- changing ---------------------------------------------------------------------------------------------------------


def create_group(*, principal: Principal, name: str) -> GroupInList:
    """Make a group that is filled by hand. Raises `NotAllowed` or `GroupRefused`."""
    require(principal, Permission.MEMBERS_MANAGE)
    return _create(principal, Group(organization_id=principal.organization_id, name=_checked(name)))


def create_fed_group(
    *, principal: Principal, connection_id: UUID, claim_value: str, name: str
) -> GroupInList:
    """Make a group of those for whom a connection's provider says `claim_value`, from their next sign-in on.

    Raises `NotAllowed`, `NotFound` for a connection that is not there or says no groups, or `GroupRefused`.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    claim_value = claim_value.strip()
    if not claim_value or len(claim_value) > LONGEST_CLAIM or not claim_value.isprintable():
        raise GroupRefused(
            f"Give what the provider calls the group: at most {LONGEST_CLAIM} characters, exactly as it is there."
        )
    with within(principal.organization):
        connection = _feeders(principal).filter(pk=connection_id).first()
        if connection is None:
            raise NotFound
        row = Group(
            organization_id=principal.organization_id,
            name=_checked(name),
            connection=connection,
            claim_value=claim_value,
        )
        return _create(principal, row)


def rename_group(*, principal: Principal, group_id: UUID, name: str) -> None:
    """Give a group another name; rules and members stay. Raises `NotAllowed`, `NotFound` or `GroupRefused`."""
    require(principal, Permission.MEMBERS_MANAGE)
    name = _checked(name)
    with within(principal.organization):
        row = _find(principal, group_id)
        if row.name == name:
            return
        before, row.name = row.name, name
        _save(row)
        audit.record(Action.GROUP_CHANGED, actor=principal, target=row, before=before, after=name)


def delete_group(*, principal: Principal, group_id: UUID) -> None:
    """Remove a group; its members stay members. Raises `NotAllowed`, `NotFound`, or `GroupInUse` while rules name it."""
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)  # also what a new rule waits for
        row = _find(principal, group_id)
        audit.record(Action.GROUP_DELETED, actor=principal, target=row)
        try:
            row.delete()
        except RestrictedError:
            raise GroupInUse from None


def add_to_group(*, principal: Principal, group_id: UUID, membership_id: UUID) -> None:
    """Put a live member into a group. Raises `NotAllowed`, `NotFound` or `GroupFed`."""
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find_by_hand(principal, group_id)
        live = Membership.objects.for_organization(principal.organization).live()
        membership = live.filter(pk=membership_id).first()
        if membership is None:
            raise NotFound
        _join(membership, [row], actor=principal)


def remove_from_group(*, principal: Principal, group_id: UUID, membership_id: UUID) -> None:
    """Take a member out of a group, from their next request on.

    Raises `NotAllowed`, `GroupFed`, or `NotFound`, also for a member who is not in it.
    """
    require(principal, Permission.MEMBERS_MANAGE)
    with within(principal.organization):
        lock_members(principal.organization)
        row = _find_by_hand(principal, group_id)
        inside = GroupMember.objects.for_organization(principal.organization).filter(
            group=row, membership_id=membership_id, membership__ended_at=None
        )
        if not inside.exists():
            raise NotFound
        inside.delete()
        audit.record(Action.GROUP_MEMBER_REMOVED, actor=principal, target=row, membership=str(membership_id))


# --- for those who come in --------------------------------------------------------------------------------------------


def hand_made(*, organization_id: UUID, group_ids: Iterable[UUID]) -> ScopedQuerySet[Group]:
    """Keep those of the groups that exist here and are filled by hand. Needs the organization's block."""
    return Group.objects.for_organization(organization_id).filter(pk__in=list(group_ids), connection=None)


def join_groups(*, membership: Membership, group_ids: Iterable[UUID], actor: Actor) -> None:
    """Put a new member into those of the groups that still exist. Needs the organization's block."""
    groups = hand_made(organization_id=membership.organization_id, group_ids=group_ids)
    _join(membership, groups.order_by("name"), actor=actor)


def set_fed_groups(*, membership: Membership, connection_id: UUID, claim_values: Iterable[str]) -> None:
    """Let the member be in exactly those groups of the connection that its provider says of them, and in no other of it.

    Only groups that somebody made count; values are compared exactly. Groups of other connections and groups that
    are filled by hand stay as they are.
    """
    said = frozenset(claim_values)
    with within(membership.organization_id):
        if _difference(membership, connection_id, said) == (set(), set()):
            return  # the usual sign-in changes nothing, and must not wait for the lock
        lock_members(membership.organization)
        missing, surplus = _difference(membership, connection_id, said)
        actor = by_sign_in(membership.organization_id)
        groups = Group.objects.for_organization(membership.organization_id)
        _join(membership, groups.filter(pk__in=missing).order_by("name"), actor=actor)
        GroupMember.objects.for_organization(membership.organization_id).filter(
            membership=membership, group__in=surplus
        ).delete()
        for group in groups.filter(pk__in=surplus).order_by("name"):
            audit.record(
                Action.GROUP_MEMBER_REMOVED, actor=actor, target=group, membership=str(membership.pk)
            )


def _difference(
    membership: Membership, connection_id: UUID, said: frozenset[str]
) -> tuple[set[UUID], set[UUID]]:
    """Give the connection's groups that the member has yet to join, and those that they have to leave."""
    fed = Group.objects.for_organization(membership.organization_id).filter(connection_id=connection_id)
    # Compared here and not in SQL: what a provider says may hold characters that PostgreSQL refuses.
    wanted = {pk for pk, value in fed.values_list("pk", "claim_value") if value in said}
    inside = GroupMember.objects.for_organization(membership.organization_id).filter(
        membership=membership, group__connection_id=connection_id
    )
    present = set(inside.values_list("group_id", flat=True))
    return wanted - present, present - wanted


# --- parts ------------------------------------------------------------------------------------------------------------


def _own(principal: Principal) -> ScopedQuerySet[Group]:
    return Group.objects.for_organization(principal.organization)


def _find(principal: Principal, group_id: UUID) -> Group:
    row = _own(principal).select_related("connection").filter(pk=group_id).first()
    if row is None:
        raise NotFound
    return row


def _find_by_hand(principal: Principal, group_id: UUID) -> Group:
    row = _find(principal, group_id)
    if row.is_fed:
        raise GroupFed
    return row


def _feeders(principal: Principal) -> ScopedQuerySet[SignInConnection]:
    says_groups = SignInConnection.objects.for_organization(principal.organization).exclude(groups_claim="")
    return says_groups.exclude(kind=Kind.GOOGLE)


def _source(row: Group) -> Source | None:
    if row.connection is None:
        return None
    return Source(
        connection_id=row.connection.pk, connection=row.connection.name, claim_value=row.claim_value
    )


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise GroupRefused(f"Give the group a name of at most {LONGEST_NAME} characters, in one line.")
    return name


def _create(principal: Principal, row: Group) -> GroupInList:
    with within(principal.organization):
        lock_members(principal.organization)
        if _own(principal).count() >= MOST_GROUPS:
            raise GroupRefused(f"An organization has at most {MOST_GROUPS} groups. Delete one first.")
        _save(row)
        audit.record(Action.GROUP_CREATED, actor=principal, target=row, claim_value=row.claim_value)
    return GroupInList(id=row.pk, name=row.name, source=_source(row), size=0)


def _save(row: Group) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        if "group_claim" in str(error):
            raise GroupRefused(
                "There is a group for this value of the claim already. Use that group."
            ) from None
        raise GroupRefused("There is a group of this name already. Choose another name.") from None


def _join(membership: Membership, groups: Iterable[Group], *, actor: Actor) -> None:
    for group in groups:
        _, joined = GroupMember.objects.for_organization(membership.organization_id).get_or_create(
            organization_id=membership.organization_id, group=group, membership=membership
        )
        if joined:
            audit.record(Action.GROUP_MEMBER_ADDED, actor=actor, target=group, membership=str(membership.pk))
