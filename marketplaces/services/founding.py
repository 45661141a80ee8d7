"""Found an organization that is ready to publish."""

from django.db import transaction

from marketplaces.services import access
from skillport.accounts.models import User
from skillport.organizations.models import Organization
from skillport.organizations.services import create_organization
from skillport.principal import SystemActor


def found_organization(*, name: str, slug: str, owner: User) -> Organization:
    """Create an organization whose members may read everything it will publish. Raises `SlugRefused`."""
    with transaction.atomic():
        organization = create_organization(name=name, slug=slug, owner=owner)
        access.begin_with_everyone_reads(
            organization=organization, actor=SystemActor(organization_id=organization.pk, what="sign-up")
        )
    return organization
