"""What each role may do, and which scope a key needs for it: one table for pages, REST and services."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from skillport.errors import SkillportError
from skillport.principal import Door, Principal, Role, Scope

STEP_UP: Final = timedelta(minutes=10)
# Doors that a bearer opens: there the scopes count as well, and were confirmed when the key was made.
_BY_BEARER: Final = frozenset({Door.API, Door.CONNECTOR, Door.INSTALL, Door.SOCKET})


class Permission(StrEnum):
    """Something that not every member may do."""

    MEMBERS_READ = "see who belongs to the organization"
    MEMBERS_MANAGE = "manage members, groups and invitations"
    ACCESS_MANAGE = "change access rules"
    MARKETPLACES_MANAGE = "manage marketplaces"
    SKILLS_PROPOSE = "propose and publish skills"
    AUDIT_READ = "read the audit log and usage"
    ORGANIZATION_MANAGE = "rename the organization and set how long sessions last"
    SIGN_IN_MANAGE = "change how people sign in"
    OWNERSHIP = "change owners and delete the organization"


_ADMIN: Final = {
    Permission.MEMBERS_READ,
    Permission.MEMBERS_MANAGE,
    Permission.ACCESS_MANAGE,
    Permission.MARKETPLACES_MANAGE,
    Permission.SKILLS_PROPOSE,
    Permission.AUDIT_READ,
}
ALLOWED: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(_ADMIN),
    Role.EDITOR: frozenset({Permission.SKILLS_PROPOSE}),
    Role.MEMBER: frozenset(),
    Role.AUDITOR: frozenset({Permission.MEMBERS_READ, Permission.AUDIT_READ}),
}
# What a key must carry besides its owner's role. What is not here, no key can do.
_SCOPES: Final = {
    Permission.MEMBERS_READ: Scope.MEMBERS_READ,
    Permission.MEMBERS_MANAGE: Scope.MEMBERS_MANAGE,
    Permission.SIGN_IN_MANAGE: Scope.SIGN_IN_MANAGE,
    Permission.MARKETPLACES_MANAGE: Scope.MARKETPLACES_MANAGE,
}
# Owners above admins above everybody else; nobody gives or takes a role above their own.
RANK: Final = {Role.OWNER: 3, Role.ADMIN: 2, Role.EDITOR: 1, Role.AUDITOR: 1, Role.MEMBER: 0}


class NotAllowed(SkillportError):
    """The caller is known and inside the organization, and their role or key does not reach this far."""

    code = "not_allowed"
    status = 403
    message = "Your role does not allow this. Ask an owner or an administrator of your organization."

    @classmethod
    def to(cls, permission: Permission) -> "NotAllowed":
        *others, last = (f"{role}s" for role in Role if permission in ALLOWED[role])
        roles = f"{', '.join(others)} and {last}" if others else last
        return cls(f"Only {roles} may {permission}. Ask one of them.")


class StepUpRequired(SkillportError):
    """The person has to prove again who they are before this is done. Nothing was changed."""

    code = "step_up_required"
    status = 403
    message = (
        "Confirm that it is you: this needs a sign-in within the last 10 minutes. Nothing was changed yet."
    )


def require(principal: Principal, permission: Permission) -> None:
    """Raise `NotAllowed` unless the caller's role allows it and, for a key, its scopes do."""
    if permission not in ALLOWED[principal.role]:
        raise NotAllowed.to(permission)
    if by_bearer(principal) and _SCOPES.get(permission) not in principal.scopes:
        wanted = _SCOPES.get(permission)
        raise NotAllowed(
            f"This key may not {permission}: it lacks the scope {wanted}. Make a key that has it."
            if wanted
            else f"No key may {permission}. Do it on the pages of the organization."
        )


def by_bearer(principal: Principal) -> bool:
    """Tell whether a key or token is at the door, and not a person."""
    return principal.door in _BY_BEARER


def require_step_up(principal: Principal, *, now: datetime) -> None:
    """Raise `StepUpRequired` when a person at a browser has not proved within ten minutes who they are."""
    if principal.door is not Door.PAGE:
        return
    if principal.confirmed_at is None or now - principal.confirmed_at > STEP_UP:
        raise StepUpRequired


def require_reach(principal: Principal, *roles: Role) -> None:
    """Raise `NotAllowed` when one of `roles` is above the caller's own: it can be neither given nor taken.

    Owners are made and unmade by people only: a key that leaks must not take the organization over.
    """
    if Role.OWNER in roles:
        require(principal, Permission.OWNERSHIP)
    above = [role for role in roles if not reaches(principal.role, role)]
    if above:
        raise NotAllowed(f"Only an {above[0]} gives or takes the role {above[0]}. Ask one.")


def require_confirmed_reach(principal: Principal, *roles: Role, now: datetime) -> None:
    """Raise as `require_reach`, and `StepUpRequired` where an owner is made or unmade without a recent sign-in."""
    require_reach(principal, *roles)
    if Role.OWNER in roles:
        require_step_up(principal, now=now)


def reaches(own: Role, other: Role) -> bool:
    """Tell whether who has the role `own` may give and take the role `other`."""
    return RANK[other] <= RANK[own]


def scopes_within(role: Role, scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Keep the scopes that mean something for `role`: a key can never do more than its owner."""
    behind = {scope: permission for permission, scope in _SCOPES.items()}
    return frozenset(scope for scope in scopes if scope not in behind or behind[scope] in ALLOWED[role])
