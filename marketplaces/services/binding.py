"""Bind a repository to an organization."""

import re
import uuid
from dataclasses import dataclass, field

from django.conf import settings
from django.db import IntegrityError

from marketplaces.manifest.names import SLUG
from marketplaces.models import Marketplace, Trigger
from marketplaces.services.queue import request_sync
from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.outbound import Origin
from skillport.principal import Principal, Role
from skillport.scoping import within


class BindingIsForAdmins(SkillportError):
    code = "not_allowed"
    status = 403
    message = "Only owners and administrators of the organization bind repositories. Ask one of them."


class MarketplaceNameRefused(SkillportError):
    code = "marketplace_name_refused"
    status = 422
    message = (
        "Give the marketplace a name of its own in this organization: lower-case letters, digits, dots, hyphens and "
        "underscores, at most 64."
    )


@dataclass(frozen=True, slots=True)
class Bound:
    """What binding gives back. The webhook's secret is shown here once."""

    marketplace_id: uuid.UUID
    sync_run_id: int
    webhook_url: str
    webhook_secret: str = field(repr=False)


def bind_marketplace(
    *,
    principal: Principal,
    slug: str,
    url: str,
    branch: str = "",
    username: str = "",
    credential_secret: str = "",
) -> Bound:
    """Bind the repository at `url` and queue its first sync.

    Raises `BindingIsForAdmins`, `MarketplaceNameRefused` or `AddressInvalid`; whether the host answers and the
    credential is right is for the sync to find out.
    """
    if principal.role not in {Role.OWNER, Role.ADMIN}:
        raise BindingIsForAdmins
    if re.fullmatch(SLUG, slug, re.ASCII) is None:
        raise MarketplaceNameRefused
    Origin.parse(url)
    webhook_secret = tokens.random_secret()
    marketplace = Marketplace(
        organization_id=principal.organization_id,
        slug=slug,
        url=url.rstrip("/"),
        branch=branch,
        username=username,
        credential_last_four=credential_secret[-4:],
    )
    marketplace.credential.put(credential_secret)
    marketplace.webhook_secret.put(webhook_secret)
    try:
        with within(principal.organization):
            marketplace.save(force_insert=True)
            audit.record(Action.MARKETPLACE_BOUND, actor=principal, target=marketplace, url=marketplace.url)
            run = request_sync(
                organization=principal.organization,
                marketplace_id=marketplace.pk,
                trigger=Trigger.BIND,
                actor=principal,
            )
    except IntegrityError:
        raise MarketplaceNameRefused from None
    return Bound(marketplace.pk, run, f"{settings.SITE_URL}/hooks/{marketplace.pk}", webhook_secret)
