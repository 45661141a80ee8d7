"""From a work address to the sign-in of the organization whose domain it is."""

from skillport.organizations.models import Kind, SignInConnection, VerifiedDomain
from skillport.organizations.services.domains import DomainRefused, plain_domain
from skillport.principal import OrganizationRef
from skillport.scoping import across_organizations, within
from skillport.sign_in.clients import GOOGLE, way_to


def holder_of(domain: str) -> OrganizationRef | None:
    """Give the organization that has proved this domain to be its own."""
    if not domain:
        return None
    with across_organizations(reason="a verified domain names its organization"):
        held = VerifiedDomain.objects.all_organizations().holding()
        row = held.filter(domain=domain, organization__closed_at=None).select_related("organization").first()
        return row.organization.ref if row else None


def way_for(email: str) -> str:
    """Give the address at which people of this e-mail's domain sign in, or '' where nobody has proved the domain.

    Only a proved domain routes: an organization could otherwise call another one's people to its own provider.
    """
    try:
        holder = holder_of(plain_domain(email.rpartition("@")[2]))
    except DomainRefused:
        return ""
    if holder is None:
        return ""
    with within(holder):
        ways = SignInConnection.objects.for_organization(holder).filter(enabled=True)
        kinds = list(ways.values_list("kind", "id"))
    if len(kinds) == 1:
        kind, connection_id = kinds[0]
        return way_to(GOOGLE, organization=holder.slug) if kind == Kind.GOOGLE else way_to(str(connection_id))
    return f"/{holder.slug}/sign-in"


def own_ways(slug: str) -> list[tuple[str, str]]:
    """Give name and key of each provider that the organization brought itself; none for one that is not there."""
    with across_organizations(reason="the sign-in page of an organization is for people outside it"):
        own = SignInConnection.objects.all_organizations().filter(
            organization__slug=slug, organization__closed_at=None, enabled=True
        )
        return [(row.name, str(row.pk)) for row in own.exclude(kind=Kind.GOOGLE).order_by("created_at")]
