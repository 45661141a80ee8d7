"""What an organization stores, beside what it may."""

from dataclasses import dataclass

from marketplaces.models import Marketplace, SkillListing, Snapshot
from marketplaces.services import quotas
from skillport.permissions import Permission, require
from skillport.principal import Principal
from skillport.scoping import within


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """`stored_bytes` counts each content once, with what is kept for old snapshots; `skills` are those served now."""

    stored_bytes: int
    most_stored_bytes: int
    marketplaces: int
    most_marketplaces: int
    snapshots: int
    skills: int

    @property
    def is_nearly_full(self) -> bool:
        return self.stored_bytes >= 0.9 * self.most_stored_bytes


def get_storage(*, principal: Principal) -> Storage:
    """Tell what the organization stores and may. Raises `NotAllowed`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    organization_id = principal.organization_id
    with within(principal.organization):
        limits = quotas.limits_of(organization_id)
        return Storage(
            stored_bytes=quotas.stored_bytes_of(organization_id),
            most_stored_bytes=limits.stored_bytes,
            marketplaces=Marketplace.objects.for_organization(organization_id).count(),
            most_marketplaces=limits.marketplaces,
            snapshots=Snapshot.objects.for_organization(organization_id).count(),
            skills=SkillListing.objects.for_organization(organization_id).current().count(),
        )
