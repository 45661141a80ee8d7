"""Bind a repository to an organization, and keep its address and credential right."""

import itertools
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from marketplaces.git.addresses import checked_address
from marketplaces.git.head import Head, ask_head
from marketplaces.manifest.names import SLUG
from marketplaces.models import Marketplace, Trigger, Webhook
from marketplaces.providers.api import Kind
from marketplaces.providers.secrets import new_secret
from marketplaces.services import credential_expiry, credentials, quotas
from marketplaces.services.asking import a_place
from marketplaces.services.credentials import NO_CREDENTIAL, Credential
from marketplaces.services.folders import checked_folder
from marketplaces.services.queue import request_sync, request_sync_unless_stopped
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.outbound import Outbound
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal
from skillport.scoping import within


class MarketplaceNameRefused(SkillportError):
    code = "marketplace_name_refused"
    status = 422
    message = (
        "Give the marketplace a name of its own in this organization: lower-case letters, digits, dots, hyphens and "
        "underscores, at most 64."
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """What binding gives back. The webhook's secret is shown here once."""

    marketplace_id: uuid.UUID
    sync_run_id: int
    webhook_url: str
    webhook_secret: str = field(repr=False)


def check_repository(
    *,
    principal: Principal,
    url: str,
    branch: str = "",
    credential: Credential = NO_CREDENTIAL,
    provider: Kind = Kind.NOT_ASKED,
) -> Head:
    """Ask the host for the newest commit, in one request of at most 20 seconds; nothing is saved.

    With a GitHub App there is one more before it, or three, unless `provider` says that the host is another one. The
    answer has the repository's address as its host writes it. Raises `NotAllowed`, `StepUpRequired`, `AddressInvalid`,
    `HostUnreachable`, `RepositoryError` or `AppRefused`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    if credential.app is not None:
        credentials.require_github(provider)
    outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    return credentials.asking(
        credential, checked_address(url), outbound, lambda remote: ask_head(remote, branch, outbound)
    )[0]


def bind_checked_marketplace(
    *,
    principal: Principal,
    slug: str,
    url: str,
    branch: str = "",
    credential: Credential = NO_CREDENTIAL,
    folder: str = "",
    provider: Kind = Kind.NOT_ASKED,
) -> Binding:
    """Bind a repository that answers. Without a `slug` it is named after its address; of `folder` only what is below.

    `provider` is whose API the host has, where somebody says so; else the host is asked.

    Raises what `check_repository` and `bind_marketplace` raise, and `TooManyAtOnce`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        quotas.require_room_for_marketplace(principal.organization_id)  # before its host is asked in vain
    folder = checked_folder(folder)
    with a_place(principal.organization_id):
        head = check_repository(
            principal=principal, url=url, branch=branch, credential=credential, provider=provider
        )
        told = credential_expiry.ask(url=head.url, credential=credential, provider=provider)
    return bind_marketplace(
        principal=principal,
        slug=slug_for(principal, head.url, slug),
        url=head.url,
        branch=branch,
        credential=credential,
        folder=folder,
        provider=provider,
        told=told,
    )


def slug_for(principal: Principal, url: str, wanted: str = "") -> str:
    """Give what a marketplace will be called: as wanted, else after the repository's address."""
    if wanted:
        return wanted
    with within(principal.organization):
        rows = Marketplace.objects.for_organization(principal.organization)
        return free_slug(url, set(rows.values_list("slug", flat=True)))


def free_slug(url: str, taken: Collection[str]) -> str:
    """Name a marketplace after its repository, with a number where the name is taken."""
    last = url.rpartition("/")[2].removesuffix(".git").lower()
    name = re.sub("[^a-z0-9]+", "-", last)[:60].strip("-") or "own"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(slug for slug in itertools.chain([name], numbered) if slug not in taken)


def bind_marketplace(
    *,
    principal: Principal,
    slug: str,
    url: str,
    branch: str = "",
    credential: Credential = NO_CREDENTIAL,
    folder: str = "",
    provider: Kind = Kind.NOT_ASKED,
    told: credential_expiry.Told | None = None,
) -> Binding:
    """Bind the repository at `url` and queue its first sync. `told` is what its provider says of the credential.

    Raises `NotAllowed`, `StepUpRequired`, `MarketplaceNameRefused`, `AddressInvalid`, `FolderRefused`, `AppRefused` or
    `TooManyMarketplaces`; whether the host answers and the credential is right is for the sync to find out.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    if re.fullmatch(SLUG, slug, re.ASCII) is None:
        raise MarketplaceNameRefused
    url = checked_address(url)
    webhook_secret = new_secret()
    marketplace = Marketplace(
        organization_id=principal.organization_id,
        slug=slug,
        url=url,
        branch=branch,
        folder=checked_folder(folder),
        provider=provider,
        provider_chosen=bool(provider),
    )
    credentials.put(marketplace, credential)
    marketplace.webhook_secret.put(webhook_secret)
    if told is not None:
        credential_expiry.note(marketplace, told, timezone.now())
    try:
        with within(principal.organization):
            quotas.require_room_for_marketplace(principal.organization_id)
            marketplace.save(force_insert=True)
            Webhook.objects.create(organization_id=principal.organization_id, marketplace=marketplace)
            audit.record(Action.MARKETPLACE_BOUND, actor=principal, target=marketplace, url=marketplace.url)
            run = request_sync(
                organization=principal.organization,
                marketplace_id=marketplace.pk,
                trigger=Trigger.BIND,
                actor=principal,
            )
    except IntegrityError:
        raise MarketplaceNameRefused from None
    return Binding(marketplace.pk, run, webhook_address(marketplace.pk), webhook_secret)


def webhook_address(marketplace_id: uuid.UUID) -> str:
    """Give where a git host reports pushes to a marketplace's repository."""
    return f"{settings.SITE_URL}/hooks/{marketplace_id}"


def replace_credential(
    *,
    principal: Principal,
    marketplace_id: uuid.UUID,
    credential: Credential,
    told: credential_expiry.Told | None = None,
) -> int | None:
    """Let the marketplace be read with another credential from now on, and queue a sync with it. Gives the run's id.

    None while no sync may begin.

    Raises `NotAllowed`, `StepUpRequired`, `NotFound` or `AppRefused`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    with within(principal.organization):
        own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
        marketplace = own.select_for_update().first()
        if marketplace is None:
            raise NotFound
        changed = credentials.put(marketplace, credential)
        # Of a credential that nobody has asked about, nothing is known: the daily look asks.
        asked_at = timezone.now() if told is not None else None
        changed += credential_expiry.note(marketplace, told or credential_expiry.Told(), asked_at)
        marketplace.save(update_fields=changed)
        audit.record(Action.MARKETPLACE_CREDENTIAL_REPLACED, actor=principal, target=marketplace)
        return request_sync_unless_stopped(
            organization=principal.organization, marketplace_id=marketplace.pk, actor=principal
        )


def replace_checked_credential(
    *, principal: Principal, marketplace_id: uuid.UUID, credential: Credential
) -> int | None:
    """Replace the credential by one that the host has accepted. Gives the id of the sync that it begins, if one may.

    Raises what `check_repository` and `replace_credential` raise, and `TooManyAtOnce`.
    """
    url, branch, provider = _address(principal, marketplace_id)
    with a_place(principal.organization_id):
        check_repository(
            principal=principal, url=url, branch=branch, credential=credential, provider=provider
        )
        told = credential_expiry.ask(url=url, credential=credential, provider=provider)
    return replace_credential(
        principal=principal,
        marketplace_id=marketplace_id,
        credential=credential,
        told=told,
    )


def sync_marketplace(*, principal: Principal, marketplace_id: uuid.UUID) -> int:
    """Begin a sync, unless one waits already. Gives its id. Raises `NotAllowed`, `NotFound` or `SyncsStopped`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    return request_sync(
        organization=principal.organization,
        marketplace_id=marketplace_id,
        trigger=Trigger.MANUAL,
        actor=principal,
    )


def _address(principal: Principal, marketplace_id: uuid.UUID) -> tuple[str, str, Kind]:
    """Give address and branch, and whose API the host has, as far as that is known."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
        found = own.only("url", "branch", "provider", "provider_chosen").first()
    if found is None:
        raise NotFound
    return found.url, found.branch, credentials.known_kind(found)
