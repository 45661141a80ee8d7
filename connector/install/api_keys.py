"""API keys: make one, list them, revoke one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from connector.models import ApiKey
from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.services.members import get_member, lock_members
from skillport.permissions import (
    ALLOWED,
    Permission,
    require,
    require_reach,
    require_step_up,
    scopes_within,
)
from skillport.principal import Actor, Principal, Role, Scope
from skillport.scoping import HasOrganizationKey, ScopedQuerySet, within

LONGEST_DAYS: Final = 365
LONGEST_NAME: Final = 100
MOST_KEYS: Final = 50


class KeyRefused(SkillportError):
    """Something about the key cannot be so; the message says what."""

    code = "key_refused"
    status = 422


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key as pages show one. Nobody can see its secret again."""

    id: UUID
    name: str
    last_four: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None


def list_api_keys(*, principal: Principal, membership_id: UUID | None = None) -> list[Key]:
    """Give the live keys of the caller, or of another member to who may see members; the newest first.

    Raises `NotAllowed`, or `NotFound` for a member who is not here.
    """
    whose = membership_id or principal.membership_id
    if whose != principal.membership_id:
        get_member(principal=principal, membership_id=whose)
    with within(principal.organization):
        own = _live(principal.organization).filter(membership_id=whose)
        return [
            Key(
                id=key.pk,
                name=key.name,
                last_four=key.last_four,
                scopes=tuple(key.scopes),
                created_at=key.created_at,
                expires_at=key.expires_at,
            )
            for key in own.order_by("-created_at", "id")
        ]


def make_own_key(
    *, principal: Principal, name: str, scopes: frozenset[Scope], days: int, now: datetime
) -> tokens.Minted:
    """Make a key for oneself that may do no more than oneself. Its secret is in the answer and nowhere else.

    Raises `StepUpRequired` or `KeyRefused`.
    """
    require_step_up(principal, now=now)
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise KeyRefused(
            f"Give the key a name of at most {LONGEST_NAME} characters that says where it is used."
        )
    if not 1 <= days <= LONGEST_DAYS:
        raise KeyRefused(f"A key lasts between 1 and {LONGEST_DAYS} days.")
    if not scopes:
        raise KeyRefused("Choose at least one thing that the key may do.")
    if beyond := scopes - scopes_within(principal.role, principal.scopes):
        raise KeyRefused(f"Leave these out, which you may not do here yourself: {', '.join(sorted(beyond))}.")
    with within(principal.organization):
        lock_members(principal.organization)
        if _live(principal.organization).filter(membership_id=principal.membership_id).count() >= MOST_KEYS:
            raise KeyRefused(f"You have {MOST_KEYS} keys already. Revoke one that nothing uses.")
        return create_api_key(
            organization=principal.organization,
            membership_id=principal.membership_id,
            name=name,
            scopes=scopes,
            actor=principal,
            expires_at=now + timedelta(days=days),
        )


def create_api_key(
    *,
    organization: HasOrganizationKey,
    membership_id: UUID,
    name: str,
    scopes: Iterable[Scope],
    actor: Actor,
    expires_at: datetime | None = None,
) -> tokens.Minted:
    """Make a key that acts as the member, within `scopes`. Its secret is in the answer and nowhere else."""
    minted = tokens.mint(tokens.Prefix.API_KEY)
    with within(organization):
        key = ApiKey.objects.create(
            organization_id=organization.pk,
            membership_id=membership_id,
            name=name,
            digest=minted.digest,
            last_four=minted.last_four,
            scopes=sorted(scopes),
            expires_at=expires_at,
        )
        audit.record(Action.API_KEY_CREATED, actor=actor, target=key, scopes=key.scopes)
    return minted


def revoke_key(*, principal: Principal, key_id: UUID, membership_id: UUID | None = None) -> None:
    """End a key of one's own, or that of a member within reach (this one, where one is named), from the next request on.

    Raises `NotFound`, also for another member's key when the caller does not manage members, or `NotAllowed` when
    its owner's role is above the caller's.
    """
    with within(principal.organization):
        key = _live(principal.organization).select_related("membership").filter(pk=key_id).first()
        if key is None or membership_id not in {None, key.membership_id}:
            raise NotFound
        if key.membership_id != principal.membership_id:
            if Permission.MEMBERS_MANAGE not in ALLOWED[principal.role]:
                raise NotFound  # whether there is such a key is not theirs to know
            require(principal, Permission.MEMBERS_MANAGE)
            require_reach(principal, Role(key.membership.role))
        revoke_api_key(organization=principal.organization, key_id=key_id, actor=principal)


def revoke_api_key(*, organization: HasOrganizationKey, key_id: UUID, actor: Actor) -> None:
    """End a key from the next request on. Raises `NotFound` when there is no such live key here."""
    with within(organization):
        live = ApiKey.objects.for_organization(organization).filter(pk=key_id, revoked_at=None)
        key = live.first()
        if key is None or not live.update(revoked_at=Now()):
            raise NotFound
        audit.record(Action.API_KEY_REVOKED, actor=actor, target=key)


def _live(organization: HasOrganizationKey) -> ScopedQuerySet[ApiKey]:
    return ApiKey.objects.for_organization(organization).filter(
        Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None, membership__ended_at=None
    )
