"""How a repository's webhook comes to be: registered through the provider, or by hand with the clicks that it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from marketplaces.models import Marketplace
from marketplaces.providers.api import Access, Hook, Kind
from marketplaces.providers.detection import by_name, detect, provider_of
from marketplaces.providers.secrets import new_secret, signing_key
from marketplaces.services import credentials
from marketplaces.services.asking import a_place
from marketplaces.services.binding import webhook_address
from marketplaces.services.deliveries import note
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.outbound import HostUnreachable, Outbound
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal
from skillport.scoping import within

FORMER_SECRET_LASTS: Final = timedelta(hours=24)


class NoApi(SkillportError):
    code = "provider_unknown"
    status = 422
    message = "Skillport can register webhooks at GitHub and GitLab, and this host is neither. Add the webhook by hand."


class NoToken(SkillportError):
    code = "provider_needs_token"
    status = 422
    message = "Registering a webhook takes a token, and this repository is bound without one. Add the webhook by hand."


class SigningTokenInvalid(SkillportError):
    code = "signing_token_invalid"
    status = 422
    message = (
        "This is no signing token of GitLab's: those begin with whsec_ and hold 32 bytes. Copy it whole."
    )


@dataclass(frozen=True, slots=True)
class ByHand:
    """What somebody needs who adds the webhook at the git host: its address, and the steps in order."""

    url: str
    provider: str
    steps: list[str]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A webhook's secret, shown once; '' when GitLab made it. The one before is good until `former_until`; None: no more."""

    webhook_url: str
    webhook_secret: str = field(repr=False)
    former_until: datetime | None


def by_hand(*, principal: Principal, marketplace_id: UUID) -> ByHand:
    """Give what it takes to add the webhook by hand. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    with within(principal.organization):
        row = _find(principal, marketplace_id)
    kind = Kind(row.provider) or by_name(row.url)
    return ByHand(webhook_address(row.pk), kind, steps(kind, row.url))


def register_webhook(*, principal: Principal, marketplace_id: UUID) -> None:
    """Let the provider report pushes from now on; repeated, it mends the webhook that is there.

    Raises `NotAllowed`, `StepUpRequired`, `NotFound`, `TooManyAtOnce`, `NoToken`, `NoApi`, `HostUnreachable`, or what the
    provider refuses (`providers.api`, `providers.github_app`).
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    with within(principal.organization):
        row = _find(principal, marketplace_id)
    if not row.credential:
        raise NoToken
    with a_place(principal.organization_id):
        kind = _register(row)
    with within(principal.organization):
        row = _find(principal, marketplace_id)
        own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
        own.filter(provider_chosen=False).exclude(provider=kind).update(provider=kind)
        note(row, registered_at=timezone.now())
        audit.record(Action.MARKETPLACE_WEBHOOK_REGISTERED, actor=principal, target=row, provider=str(kind))


def _register(row: Marketplace) -> Kind:
    """Ask the provider, and give which one it is."""
    outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    kind = Kind(row.provider)
    if provider_of(kind) is None and not row.provider_chosen:
        kind = detect(row.url, outbound)
    provider = provider_of(kind)
    if provider is None:
        raise HostUnreachable if kind is Kind.NOT_ASKED else NoApi
    provider.register(
        Access(row.url, credentials.token_for_webhooks(row, outbound), outbound),
        Hook(webhook_address(row.pk), row.webhook_secret.open()),
    )
    return kind


def replace_secret(
    *, principal: Principal, marketplace_id: UUID, signing_token_secret: str = "", at_once: bool = False
) -> NewSecret:
    """Let deliveries be signed with a new secret: a random one, or the signing token that GitLab made.

    The one before is good for a day more, unless `at_once`. Raises `NotAllowed`, `StepUpRequired`, `NotFound` or
    `SigningTokenInvalid`.
    """
    require(principal, Permission.MARKETPLACES_MANAGE)
    now = timezone.now()
    require_step_up(principal, now=now)
    if signing_token_secret and signing_key(signing_token_secret) is None:
        raise SigningTokenInvalid
    secret = signing_token_secret or new_secret()
    until = None if at_once else now + FORMER_SECRET_LASTS
    with within(principal.organization):
        row = _find(principal, marketplace_id, lock=True)
        row.former_webhook_secret.put("" if at_once else row.webhook_secret.open())
        row.former_webhook_secret_until = until
        row.webhook_secret.put(secret)
        row.save(update_fields=["webhook_secret", "former_webhook_secret", "former_webhook_secret_until"])
        audit.record(Action.MARKETPLACE_WEBHOOK_SECRET_REPLACED, actor=principal, target=row, at_once=at_once)
    return NewSecret(webhook_address(row.pk), "" if signing_token_secret else secret, until)


def steps(kind: Kind, url: str) -> list[str]:
    """Give what to do at the git host, in order."""
    page = url.rstrip("/").removesuffix(".git")
    return _STEPS.get(kind, _of_any_host)(page)


def _of_github(page: str) -> list[str]:
    return [
        f"Open {page}/settings/hooks/new",
        "Payload URL: the address above.",
        "Content type: application/json.",
        "Secret: the webhook's secret.",
        "SSL verification: leave it enabled.",
        "Which events: Just the push event.",
        "Press Add webhook. GitHub sends a ping at once, which appears here as the last delivery.",
    ]


def _of_gitlab(page: str) -> list[str]:
    return [
        f"Open {page}/-/hooks and press Add new webhook.",
        "URL: the address above.",
        "GitLab 19.0 and newer: press Generate signing token, copy it, and give it to Skillport below.",
        "An older GitLab: put the webhook's secret into Secret token.",
        "Trigger: Push events, for all branches, and nothing else.",
        "SSL verification: leave it enabled.",
        "Press Add webhook, then Test, Push events: it appears here as the last delivery.",
    ]


def _of_any_host(page: str) -> list[str]:
    return [
        f"Open the webhook settings of {page}",
        "Address: the one above. Method: POST, as JSON.",
        "Secret: the webhook's secret. The host must sign with it as Gitea, Forgejo and Bitbucket do (X-Hub-Signature-256).",
        "Events: pushes, and nothing else.",
        "A host without signed webhooks needs none: Skillport looks for new commits by itself.",
    ]


_STEPS: Final[dict[Kind, Callable[[str], list[str]]]] = {Kind.GITHUB: _of_github, Kind.GITLAB: _of_gitlab}


def _find(principal: Principal, marketplace_id: UUID, *, lock: bool = False) -> Marketplace:
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
    row = (own.select_for_update(no_key=True) if lock else own).first()
    if row is None:
        raise NotFound
    return row
