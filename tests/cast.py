"""The people that tests are about, and how each of them acts."""

from dataclasses import dataclass
from uuid import UUID

from connector.install.api_keys import create_api_key
from marketplaces.services.founding import found_organization
from skillport.accounts.models import User
from skillport.organizations.models import Membership, Organization
from skillport.organizations.services.invitations import Sent
from skillport.organizations.services.members import add_member
from skillport.principal import Door, Principal, Role, Scope, SystemActor
from skillport.scoping import within


@dataclass(frozen=True)
class Cast:
    """Alice owns Acme, Bob is its member; Charlie owns Globex."""

    acme: Organization
    globex: Organization
    alice: Principal
    bob: Principal
    charlie: Principal


def make_cast() -> Cast:
    users = {
        name: User.objects.create(email=f"{name}@example.org", name=name.title())
        for name in ("alice", "bob", "charlie")
    }
    acme = found_organization(name="Acme", slug="acme", owner=users["alice"])
    globex = found_organization(name="Globex", slug="globex", owner=users["charlie"])
    add_member(
        organization=acme,
        user=users["bob"],
        role=Role.MEMBER,
        actor=SystemActor(organization_id=acme.pk, what="test"),
    )
    return Cast(
        acme=acme,
        globex=globex,
        alice=principal(acme, users["alice"].pk),
        bob=principal(acme, users["bob"].pk),
        charlie=principal(globex, users["charlie"].pk),
    )


def principal(organization: Organization, user_id: UUID) -> Principal:
    """Give the live member as a principal, with every scope, at the command line's door."""
    with within(organization):
        live = Membership.objects.for_organization(organization).live()
        membership = live.select_related("user").get(user_id=user_id)
    return Principal(
        organization=organization.ref,
        membership_id=membership.pk,
        user_id=user_id,
        email=membership.user.email,
        name=membership.user.name,
        role=Role(membership.role),
        scopes=frozenset(Scope),
        door=Door.COMMAND_LINE,
    )


def secret_in(sent: Sent) -> str:
    """Give what is secret of an invitation's link: browsers keep it to themselves."""
    return sent.link.partition("#")[2]


def key_of(who: Principal, *scopes: Scope) -> str:
    """Give a new API key of the person's, with these scopes or with all."""
    minted = create_api_key(
        organization=who.organization, membership_id=who.membership_id, name="test", scopes=scopes or frozenset(Scope),
        actor=who,
    )  # fmt: skip
    return minted.plain_secret
