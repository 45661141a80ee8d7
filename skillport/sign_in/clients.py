"""Which OpenID client answers for a sign-in: an organization's connection, or the deployment's own at Google."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from skillport.errors import NotFound
from skillport.organizations.models import Kind, SignInConnection
from skillport.organizations.services.connections import redirect_url
from skillport.principal import OrganizationRef
from skillport.scoping import across_organizations

GOOGLE: Final = "google"


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """An OpenID client, opened for one request and never stored anywhere else.

    `organization` is whose connection it is; None for Google, which belongs to the deployment.
    """

    key: str  # what stands in the addresses: the connection's id, or `google`
    kind: Kind
    name: str
    issuer: str
    client_id: str
    secret: str = field(repr=False)
    organization: OrganizationRef | None = None
    connection_id: UUID | None = None
    tenant_id: UUID | None = None
    groups_claim: str = ""

    @property
    def redirect_url(self) -> str:
        return redirect_url(self.key)


def way_to(key: str, **query: str) -> str:
    """Give the address at which a sign-in at the provider of this client begins, or with `confirm` a step-up."""
    address = reverse("begin_at_provider", args=[key])
    return f"{address}?{urlencode(query)}" if query else address


def find_client(key: str) -> Client:
    """Give the client of this address. Raises `NotFound` for one that is not there, switched off, or being deleted."""
    if key == GOOGLE:
        if not settings.GOOGLE_CLIENT_ID:
            raise NotFound
        return Client(
            key=GOOGLE,
            kind=Kind.GOOGLE,
            name=Kind.GOOGLE.label,
            issuer=settings.GOOGLE_ISSUER,
            client_id=settings.GOOGLE_CLIENT_ID,
            secret=settings.GOOGLE_CLIENT_SECRET,
        )
    try:
        connection_id = UUID(key)
    except ValueError:
        raise NotFound from None
    with across_organizations(reason="the address of a sign-in names only its connection"):
        row = (
            SignInConnection.objects.all_organizations()
            .select_related("organization")
            .filter(pk=connection_id, enabled=True, organization__closed_at=None)
            .exclude(kind=Kind.GOOGLE)
            .first()
        )
        if row is None:
            raise NotFound
        return Client(
            key=str(row.pk),
            kind=Kind(row.kind),
            name=row.name,
            issuer=row.issuer,
            client_id=row.client_id,
            secret=row.client_secret.open(),
            organization=row.organization.ref,
            connection_id=row.pk,
            tenant_id=row.tenant_id,
            groups_claim=row.groups_claim,
        )
