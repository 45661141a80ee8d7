"""Collection as this package sees it: what may still be downloaded stays, and bundles go with what they were made of."""

from uuid import UUID

from django.db.models import QuerySet

from connector.install.bundles import forget_bundles
from connector.models import InstallToken
from marketplaces.services import collecting
from marketplaces.services.collecting import Collected, Dependents
from skillport.scoping import OrganizationOwned


def collect(organization_id: UUID) -> Collected:
    """Forget what the organization cannot reach any more, neither through its marketplaces nor by an install token."""
    return collecting.collect(organization_id, Dependents(held=_held_by_tokens, forget=forget_bundles))


def _held_by_tokens(organization_id: UUID) -> "QuerySet[OrganizationOwned, int]":
    tokens = InstallToken.objects.for_organization(organization_id).redeemable()
    return tokens.values_list("release_id", flat=True)
