"""Who is acting, inside which organization, and through which door: plain values that every door builds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a member may do. Editors propose and publish skills; auditors read audit and usage."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    MEMBER = "member"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """What a credential may be used for; a principal's right is the meeting of its scopes and its role."""

    SKILLS_READ = "skills:read"
    SKILLS_INSTALL = "skills:install"
    CONNECTOR = "connector"
    MEMBERS_READ = "members:read"
    MEMBERS_MANAGE = "members:manage"
    SIGN_IN_MANAGE = "sign-in:manage"
    MARKETPLACES_MANAGE = "marketplaces:manage"


class Door(StrEnum):
    """Through which a principal came; recorded with every audit event."""

    PAGE = "page"
    API = "api"
    CONNECTOR = "connector"
    INSTALL = "install"
    SOCKET = "socket"
    COMMAND_LINE = "command-line"
    WORKER = "worker"
    WEBHOOK = "webhook"


def called(name: str, email: str) -> str:
    """Say whom people see where somebody is named: a provider may tell neither a name nor an address."""
    return name or email or "Somebody without a name"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrganizationRef:
    """An organization's identity as a value: enough to scope a query and to name it, without a query of its own."""

    pk: UUID
    slug: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who is acting, inside which organization, and through which door.

    Built once per request from a live credential and never kept: an entitlement must not outlive its revocation.
    """

    organization: OrganizationRef
    membership_id: UUID
    user_id: UUID
    email: str
    name: str
    role: Role
    groups: frozenset[UUID] = frozenset()
    scopes: frozenset[Scope]
    door: Door
    confirmed_at: datetime | None = (
        None  # when a person last proved who they are; None: no person is at the door
    )

    @property
    def organization_id(self) -> UUID:
        return self.organization.pk

    @property
    def actor(self) -> str:
        """Name the actor as the audit log keeps it: a stable id that survives a change of e-mail."""
        return f"user:{self.user_id}"

    @property
    def actor_name(self) -> str:
        return called(self.name, self.email)

    def may(self, scope: Scope) -> bool:
        """Tell whether this credential carries `scope`."""
        return scope in self.scopes


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemActor:
    """Work that no person asked for: a sync that a push or the clock began."""

    organization_id: UUID
    what: str
    door: Door = Door.WORKER

    @property
    def actor(self) -> str:
        return f"system:{self.what}"

    @property
    def actor_name(self) -> str:
        return f"Skillport ({self.what})"


Actor = Principal | SystemActor
