"""An organization with its own provider, a person's browser, and the steps of a sign-in."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import httpx2
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from skillport.organizations.models import Admission, By, Kind, VerifiedDomain
from skillport.organizations.services import admission_rules, connections, provider_metadata
from skillport.organizations.services.connections import Settings, accept_google
from skillport.principal import Principal, Role
from skillport.scoping import within
from tests.cast import Cast
from tests.openid import Issuer, OpenIDServer
from tests.signing_in import inside
from tests.visiting import forms_of

TENANT = "aaaaaaaa-2222-4333-8444-55555555abcd"


@pytest.fixture(autouse=True)
def forget_providers() -> None:
    provider_metadata._known.clear()


@dataclass
class Browser:
    """A person's browser: Django's test client for our side, real requests to the provider."""

    client: Client

    def begin(self, address: str) -> str:
        """Open a way in, and give where the provider sends the browser back to."""
        response = self.client.get(address)
        assert response.status_code == 302, response.content
        answer = httpx2.get(response["Location"], trust_env=False, timeout=20)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"].removeprefix(settings.SITE_URL)

    def sign_in(self, address: str) -> "httpx2.Response":
        """Go all the way, and give our answer to the provider's."""
        return self.client.get(self.begin(address))  # type: ignore[return-value]

    def sign_in_as(self, address: str, **typed: str) -> HttpResponse:
        """Go all the way through the form with which the provider asks who it is, and give our answer."""
        response = self.client.get(address)
        assert response.status_code == 302, response.content
        page = httpx2.get(response["Location"], trust_env=False, timeout=20)
        assert page.status_code == 200, page.text
        answer = submit(page, **typed)
        assert answer.status_code == 302, answer.text
        return self.client.get(answer.headers["location"].removeprefix(settings.SITE_URL))  # type: ignore[return-value]

    def inside(self, slug: str) -> bool:
        """Tell whether this browser's session counts in the organization."""
        return self.principal(slug) is not None

    def principal(self, slug: str) -> Principal | None:
        cookie = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        return inside(cookie.value if cookie else None, slug)


NewBrowser = Callable[[], Browser]  # what the fixture `browser` gives


def submit(page: httpx2.Response, **typed: str) -> httpx2.Response:
    """Send the first form whose fields hold what is typed, or are empty and take it."""
    for action, fields in forms_of(page.text):
        if all(fields.get(name) in {"", value} for name, value in typed.items()):
            return httpx2.post(
                urljoin(str(page.url), action), data={**fields, **typed}, trust_env=False, timeout=20
            )
    raise AssertionError(f"no form takes {typed}: {page.text[:500]}")


@pytest.fixture
def browser() -> NewBrowser:
    return lambda: Browser(Client(SERVER_NAME=urlsplit(settings.SITE_URL).netloc))


@dataclass
class OwnProvider:
    issuer: Issuer
    connection_id: UUID

    @property
    def way(self) -> str:
        return f"/accounts/oidc/{self.connection_id}/login"


def own_provider(
    owner: Principal, issuer: Issuer, *, kind: Kind = Kind.OIDC, groups_claim: str = ""
) -> OwnProvider:
    """Connect the organization to a provider of its own; it admits nobody yet."""
    issuer.clients["ours"] = "the-secret"
    given = Settings(
        kind=kind,
        name="Our provider",
        issuer=issuer.url,
        tenant_id=TENANT if kind is Kind.ENTRA else "",
        client_id="ours",
        client_secret="the-secret",
        groups_claim=groups_claim,
    )
    return OwnProvider(issuer, connections.add_connection(principal=owner, given=given, now=timezone.now()))


def admit(
    owner: Principal,
    connection_id: UUID,
    *,
    by: By = By.CONNECTION,
    value: str = "",
    admission: Admission = Admission.AUTOMATIC,
    role: Role = Role.MEMBER,
) -> UUID:
    return admission_rules.add_rule(
        principal=owner, connection_id=connection_id, by=by, value=value, admission=admission, role=role,
        now=timezone.now(),
    )  # fmt: skip


def hold_domain(owner: Principal, domain: str) -> None:
    """Let the organization have proved this domain."""
    with within(owner.organization):
        VerifiedDomain.objects.create(
            organization_id=owner.organization_id, domain=domain, challenge="x", verified_at=timezone.now()
        )


@pytest.fixture
def acme_provider(cast: Cast, openid: OpenIDServer) -> OwnProvider:
    """Acme's own provider, which lets in everybody it knows."""
    provider = own_provider(cast.alice, openid.issuer("acme"))
    admit(cast.alice, provider.connection_id)
    return provider


@pytest.fixture
def google(cast: Cast, openid: OpenIDServer) -> Issuer:
    """Google, which Acme accepts for its proved domain acme.example, and Globex for nobody in particular."""
    hold_domain(cast.alice, "acme.example")
    row = accept_google(cast.acme)
    accept_google(cast.globex)
    admit(cast.alice, row.pk, by=By.DOMAIN, value="acme.example")
    return openid.issuer("google")
