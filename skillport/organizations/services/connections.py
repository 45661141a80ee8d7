"""Connections: how people sign in to an organization, who is admitted that way, and as what."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.db.models.deletion import RestrictedError
from django.urls import reverse
from django.utils import timezone

from skillport.accounts.models import Identity
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import (
    Admission,
    AdmissionRule,
    By,
    Kind,
    Membership,
    Organization,
    SignInConnection,
)
from skillport.organizations.services.groups import GroupInUse
from skillport.organizations.services.members import lock_members
from skillport.organizations.services.provider_metadata import ProviderMetadata, read_provider
from skillport.outbound import Origin
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal, Role, SystemActor
from skillport.scoping import within

# How many characters a setting may have, by its name.
LONGEST: Final = {
    "name": 100, "issuer": 300, "tenant_id": 36, "client_id": 255, "client_secret": 1000, "groups_claim": 100,
}  # fmt: skip
_CLAIM: Final = re.compile(r"[A-Za-z0-9_.:/-]*", re.ASCII)


class ConnectionRefused(SkillportError):
    """A setting of the connection cannot be right; the message says which and what to do."""

    code = "connection_refused"
    status = 422


class WouldLockOut(SkillportError):
    code = "would_lock_out"
    status = 409
    message = (
        "This is the last way in that an owner of the organization has used. Let an owner sign in another way first; "
        "then this one can go."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What an administrator types. An empty secret keeps the one that is stored."""

    kind: Kind
    name: str = ""
    issuer: str = ""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    groups_claim: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Who is admitted through a connection: by what about them, whether at once, and as what."""

    id: UUID
    by: By
    value: str
    admission: Admission
    role: Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """A connection as pages and REST show it. The secret never leaves; `has_secret` says whether there is one."""

    id: UUID
    kind: Kind
    name: str
    issuer: str
    tenant_id: UUID | None
    client_id: str
    has_secret: bool
    groups_claim: str
    enabled: bool
    redirect_url: str
    checked_at: datetime | None
    last_used_at: datetime | None
    rules: tuple[Rule, ...]


def redirect_url(key: UUID | str) -> str:
    """Give the address to be registered at the provider; `key` is a connection's id, or `google`."""
    return f"{settings.SITE_URL}{reverse('answer_of_provider', args=[key])}"


def list_connections(*, principal: Principal) -> list[Connection]:
    """Give the organization's ways in, the oldest first. Raises `NotAllowed`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    with within(principal.organization):
        own = SignInConnection.objects.for_organization(principal.organization)
        rules = _rules(principal)
        return [_shown(row, rules.get(row.pk, ())) for row in own.order_by("created_at", "id")]


def get_connection(*, principal: Principal, connection_id: UUID) -> Connection:
    """Give one of them. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    with within(principal.organization):
        return _shown(find_connection(principal, connection_id), _rules(principal).get(connection_id, ()))


def check_connection(
    *, principal: Principal, given: Settings, connection_id: UUID | None = None, now: datetime
) -> ProviderMetadata:
    """Try the settings against the provider, and say what is wrong; nothing is saved.

    Asks the provider for its metadata and its keys, and lets it refuse a made-up authorization code, which shows
    whether it knows the client and its secret. `connection_id` names the one whose stored secret is used when none
    is given. Raises `NotAllowed`, `StepUpRequired`, `NotFound`, `ConnectionRefused` or `HostUnreachable`.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    row = _filled(principal, given)
    secret = given.client_secret
    if not secret and connection_id is not None:
        with within(principal.organization):
            stored = find_connection(principal, connection_id)
            # SECURITY: a stored secret goes to the issuer that it was stored for and to no other.
            secret = stored.client_secret.open() if stored.issuer == row.issuer else ""
    if connection_id is not None:
        row.pk = connection_id
    return _try(row, secret)


def add_connection(
    *, principal: Principal, given: Settings, now: datetime, connection_id: UUID | None = None
) -> UUID:
    """Add a way in, after trying it. Raises as `check_connection`, or `ConnectionRefused` when it is there already.

    `connection_id` is the one whose redirect address was shown before, so that it could be registered at the
    provider. SECURITY: it is made by us and never by who asks, because a provider may still know an older one.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    row = _filled(principal, given)
    if connection_id is not None:
        row.pk = connection_id
    _try(row, given.client_secret)
    row.checked_at = now
    try:
        with within(principal.organization):
            row.client_secret.put(given.client_secret)
            row.save(force_insert=True)
            audit.record(
                Action.CONNECTION_CREATED, actor=principal, target=row, kind=row.kind, issuer=row.issuer
            )
    except IntegrityError:
        raise ConnectionRefused(
            "The organization has this connection already. Open it in the list."
        ) from None
    return row.pk


def change_connection(*, principal: Principal, connection_id: UUID, given: Settings, now: datetime) -> None:
    """Change a connection, after trying what is new. Raises as `add_connection`, or `NotFound`."""
    check_connection(principal=principal, given=given, connection_id=connection_id, now=now)
    new = _filled(principal, given)
    with within(principal.organization):
        row = find_connection(principal, connection_id)
        if row.kind != new.kind:
            raise ConnectionRefused("A connection keeps its kind. Add another one instead.")
        for name in ("name", "issuer", "client_id", "tenant_id", "groups_claim"):
            setattr(row, name, getattr(new, name))
        if given.client_secret:
            row.client_secret.put(given.client_secret)
        row.checked_at = now
        row.save()
        audit.record(Action.CONNECTION_CHANGED, actor=principal, target=row, issuer=row.issuer)


def enable_connection(*, principal: Principal, connection_id: UUID, enabled: bool, now: datetime) -> None:
    """Let people in this way, or stop it from the next request on. Raises also `WouldLockOut`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        row = find_connection(principal, connection_id)
        if not enabled:
            _refuse_lock_out(principal, without=connection_id)
        SignInConnection.objects.for_organization(principal.organization).filter(pk=connection_id).update(
            enabled=enabled
        )
        audit.record(Action.CONNECTION_CHANGED, actor=principal, target=row, enabled=enabled)


def delete_connection(*, principal: Principal, connection_id: UUID, now: datetime) -> None:
    """Remove a connection, its rules and the groups that it feeds. Raises also `WouldLockOut` or `GroupInUse`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        lock_members(principal.organization)
        row = find_connection(principal, connection_id)
        _refuse_lock_out(principal, without=connection_id)
        audit.record(Action.CONNECTION_DELETED, actor=principal, target=row, issuer=row.issuer)
        try:
            row.delete()
        except RestrictedError:
            raise GroupInUse from None


def allow_local_accounts(*, principal: Principal, allowed: bool, now: datetime) -> None:
    """Say whether people who sign in with a password and a second factor get in. Raises also `WouldLockOut`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        if not allowed:
            _refuse_lock_out(principal, without="local")
        Organization.objects.filter(pk=principal.organization_id).update(local_accounts=allowed)
        organization = Organization.objects.get(pk=principal.organization_id)
        audit.record(
            Action.ORGANIZATION_CHANGED, actor=principal, target=organization, local_accounts=allowed
        )


def accept_google(organization: Organization) -> SignInConnection:
    """Let a new organization's people sign in with Google; admits nobody by itself."""
    actor = SystemActor(organization_id=organization.pk, what="sign-up")
    with within(organization):
        row = SignInConnection.objects.create(
            organization=organization, kind=Kind.GOOGLE, name=Kind.GOOGLE.label, checked_at=timezone.now()
        )
        audit.record(Action.CONNECTION_CREATED, actor=actor, target=row, kind=row.kind)
    return row


def _filled(principal: Principal, given: Settings) -> SignInConnection:
    """Give the row that these settings mean, not saved. Raises `ConnectionRefused` or `AddressInvalid`."""
    for setting, longest in LONGEST.items():
        if len(getattr(given, setting).strip()) > longest:
            raise ConnectionRefused(f"Give at most {longest} characters as the {setting.replace('_', ' ')}.")
    row = SignInConnection(
        organization_id=principal.organization_id,
        kind=given.kind,
        name=given.name.strip() or given.kind.label,
        groups_claim=given.groups_claim.strip(),
    )
    if _CLAIM.fullmatch(row.groups_claim) is None:
        raise ConnectionRefused("The groups claim is the name of a claim, as in `groups` or `roles`.")
    if given.kind is Kind.GOOGLE:
        if not settings.GOOGLE_CLIENT_ID:
            raise ConnectionRefused(
                "This deployment has no client at Google yet. Its operator sets GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET."
            )
        row.groups_claim = ""
        return row
    if not given.client_id.strip():
        raise ConnectionRefused("Give the client id that the provider shows for your application.")
    row.client_id = given.client_id.strip()
    if given.kind is Kind.ENTRA:
        try:
            row.tenant_id = UUID(given.tenant_id.strip())
        except ValueError:
            raise ConnectionRefused(
                "Give the directory (tenant) id: 32 hexadecimal digits with hyphens, on the overview page of your "
                "application in Entra. `common` and domain names are not accepted."
            ) from None
        row.issuer = f"{settings.ENTRA_HOST}/{row.tenant_id}/v2.0"
    else:
        row.issuer = given.issuer.strip().removesuffix("/.well-known/openid-configuration")
        Origin.parse(row.issuer)
        if "?" in row.issuer or "#" in row.issuer:
            raise ConnectionRefused("Give the issuer as your provider shows it, without a query.")
    return row


def _try(row: SignInConnection, secret: str) -> ProviderMetadata:
    """Ask the provider whether it is one, and whether it knows this client and this secret."""
    if row.kind == Kind.GOOGLE:
        google = read_provider(settings.GOOGLE_ISSUER)
        google.keys()
        return google
    if not secret:
        raise ConnectionRefused("Give the client secret.")
    metadata = read_provider(row.issuer)
    metadata.keys()
    metadata.try_client(client_id=row.client_id, secret=secret, redirect_url=redirect_url(row.pk))
    return metadata


def _refuse_lock_out(principal: Principal, *, without: UUID | str) -> None:
    """Raise `WouldLockOut` when this takes the last way in that an owner has. Two such changes wait for each other."""
    lock_members(principal.organization)
    organization = Organization.objects.get(pk=principal.organization_id)
    ways = SignInConnection.objects.for_organization(principal.organization).filter(enabled=True)
    left = ways if without == "local" else ways.exclude(pk=without)
    local = organization.local_accounts and settings.LOCAL_ACCOUNTS
    if _owners_get_in(principal, ways, local=local) and not _owners_get_in(
        principal, left, local=local and without != "local"
    ):
        raise WouldLockOut


def _owners_get_in(principal: Principal, ways: Iterable[SignInConnection], *, local: bool) -> bool:
    """Tell whether some owner is known to one of the providers, or has a password where those count."""
    if settings.DEMO_SIGN_IN:
        return True
    issuers = {row.issuer for row in ways if row.kind != Kind.GOOGLE}
    if settings.GOOGLE_CLIENT_ID and any(row.kind == Kind.GOOGLE for row in ways):
        issuers.add(settings.GOOGLE_ISSUER)
    owners = Membership.objects.for_organization(principal.organization).owners().filter(user__is_active=True)
    unusable = Q(user__password="") | Q(user__password__startswith="!")  # noqa: S106 not a password
    known = Identity.objects.filter(
        user__in=list(owners.values_list("user_id", flat=True)), issuer__in=issuers
    )
    return known.exists() or (local and owners.exclude(unusable).exists())


def find_connection(principal: Principal, connection_id: UUID) -> SignInConnection:
    """Give the organization's own row. Needs its block. Raises `NotFound`."""
    row = SignInConnection.objects.for_organization(principal.organization).filter(pk=connection_id).first()
    if row is None:
        raise NotFound
    return row


def _rules(principal: Principal) -> Mapping[UUID, tuple[Rule, ...]]:
    found: dict[UUID, list[Rule]] = {}
    for row in AdmissionRule.objects.for_organization(principal.organization).order_by("created_at", "id"):
        rule = Rule(
            id=row.pk, by=By(row.by), value=row.value, admission=Admission(row.admission), role=Role(row.role)
        )
        found.setdefault(row.connection_id, []).append(rule)
    return {connection_id: tuple(rules) for connection_id, rules in found.items()}


def _shown(row: SignInConnection, rules: tuple[Rule, ...]) -> Connection:
    google: dict[str, Any] = {"issuer": settings.GOOGLE_ISSUER} if row.kind == Kind.GOOGLE else {}
    return Connection(
        id=row.pk,
        kind=Kind(row.kind),
        name=row.name,
        issuer=google.get("issuer", row.issuer),
        tenant_id=row.tenant_id,
        client_id=row.client_id,
        has_secret=bool(row.client_secret),
        groups_claim=row.groups_claim,
        enabled=row.enabled,
        redirect_url="" if row.kind == Kind.GOOGLE else redirect_url(row.pk),
        checked_at=row.checked_at,
        last_used_at=row.last_used_at,
        rules=rules,
    )
