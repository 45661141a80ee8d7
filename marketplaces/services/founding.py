"""Found an organization that is ready to publish."""

from django.db import transaction

from marketplaces.services import access
from skillport.accounts.models import User
from skillport.organizations.models import Organization
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.organizations import create_organization
from skillport.principal import SystemActor


def found_organization(
    *, name: str, slug: str, owner: User, begun_in_session: str = "", accepts_google: bool = False
) -> Organization:
    """Create an organization whose members may read everything it will publish.

    `accepts_google`: its founder came through Google, and must be able to come back that way.
    Raises `NameRefused` or `SlugRefused`.
    """
    with transaction.atomic():
        organization = create_organization(
            name=name, slug=slug, owner=owner, begun_in_session=begun_in_session
        )
        if accepts_google:
            accept_google(organization)
        access.begin_with_everyone_reads(
            organization=organization, actor=SystemActor(organization_id=organization.pk, what="sign-up")
        )
    return organization
