"""API keys: create, revoke."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from connector.models import ApiKey
from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound
from skillport.principal import Actor, Scope
from skillport.scoping import HasOrganizationKey, within


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


def revoke_api_key(*, organization: HasOrganizationKey, key_id: UUID, actor: Actor) -> None:
    """End a key from the next request on. Raises `NotFound` when there is no such live key here."""
    with within(organization):
        live = ApiKey.objects.for_organization(organization).filter(pk=key_id, revoked_at=None)
        key = live.first()
        if key is None or not live.update(revoked_at=Now()):
            raise NotFound
        audit.record(Action.API_KEY_REVOKED, actor=actor, target=key)
