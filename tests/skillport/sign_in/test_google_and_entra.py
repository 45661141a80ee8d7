"""Google and Microsoft Entra end to end: who comes in as what, and what is said to who does not.

The providers are `emulate`'s, down to the page on which a person chooses their account.
Seen red with: `hd` taken from the address, a domain that counts without its proof, and a token's issuer unchecked.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from skillport.accounts.models import Identity
from skillport.organizations.models import (
    Admission,
    AdmissionRule,
    By,
    Kind,
    SignInConnection,
    VerifiedDomain,
)
from skillport.organizations.services import connections
from skillport.organizations.services.connections import Settings, accept_google, redirect_url
from skillport.organizations.services.provider_metadata import ProviderRefused
from skillport.outbound import Origin
from skillport.principal import Principal, Role
from skillport.scoping import within
from tests.cast import Cast
from tests.emulate import Emulator
from tests.skillport.sign_in.conftest import TENANT, NewBrowser, admit, hold_domain

# --- Google -----------------------------------------------------------------------------------------------------------

GOOGLE = "/accounts/oidc/google/login"


@pytest.fixture(scope="session")
def _google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    google = Emulator("google", tmp_path_factory.mktemp("google"))
    google.start(
        users=[
            {
                "email": "ana@acme.example",
                "name": "Ana Ng",
            },  # a Workspace account: `hd` is the address's domain
            {
                "email": "eve@acme.example",
                "name": "Eve",
                "hd": "",
            },  # her own account, made with a work address
            {"email": "mia@acme.example", "name": "Mia", "hd": "other.example"},
            {"email": "ann@other.example", "name": "Ann"},
            {"email": "gus@globex.example", "name": "Gus"},
        ],
        clients=[
            {
                "client_id": settings.GOOGLE_CLIENT_ID,
                "client_secret": settings.GOOGLE_CLIENT_SECRET,
                "name": "Skillport",
                "redirect_uris": [f"{settings.SITE_URL}/accounts/oidc/google/callback"],
            }
        ],
    )
    yield google
    google.stop()


@pytest.fixture
def google(cast: Cast, settings: Any, _google: Emulator) -> None:
    """Acme has proved acme.example and lets its people in as editors; Globex has only claimed globex.example."""
    settings.GOOGLE_ISSUER = _google.url
    settings.OUTBOUND_ALLOWED_ORIGINS |= {Origin.parse(_google.url)}
    hold_domain(cast.alice, "acme.example")
    admit(cast.alice, accept_google(cast.acme).pk, by=By.DOMAIN, value="acme.example", role=Role.EDITOR)
    row = accept_google(cast.globex)
    with within(cast.globex):
        VerifiedDomain.objects.create(organization=cast.globex, domain="globex.example", challenge="x")
        # No service makes a rule for a domain that is not proved; here nothing but the proof is to be missing.
        AdmissionRule.objects.create(
            organization=cast.globex, connection=row, by=By.DOMAIN, value="globex.example",
            admission=Admission.AUTOMATIC, role=Role.MEMBER,
        )  # fmt: skip


def test_people_of_a_proved_google_domain_come_in_as_the_rule_says(google: None, browser: NewBrowser) -> None:
    ana, again = browser(), browser()
    answer = ana.sign_in_as(f"{GOOGLE}?organization=acme", email="ana@acme.example")
    assert (answer.status_code, answer["Location"]) == (302, "/acme/")
    principal = ana.principal("acme")
    assert principal is not None
    assert (principal.role, principal.name, principal.email) == (Role.EDITOR, "Ana Ng", "ana@acme.example")
    assert not ana.inside("globex")
    again.sign_in_as(GOOGLE, email="ana@acme.example")
    found = again.principal("acme")
    assert found is not None, "without naming an organization, the one that holds the domain is found"
    assert found.membership_id == principal.membership_id


@pytest.mark.parametrize(
    ("slug", "email", "why"),
    [
        ("acme", "ann@other.example", "It belongs to other.example"),
        ("acme", "mia@acme.example", "It belongs to other.example"),
        ("acme", "eve@acme.example", "It belongs to no Google Workspace domain"),
        ("globex", "gus@globex.example", "It belongs to globex.example"),
        ("globex", "ana@acme.example", "It belongs to acme.example"),
    ],
)
def test_who_is_of_no_proved_google_domain_reads_why_and_whom_to_ask(
    google: None, browser: NewBrowser, slug: str, email: str, why: str
) -> None:
    """Another `hd`, another one under a fitting address, none, a domain not proved, and another organization's."""
    visitor = browser()
    answer = visitor.sign_in_as(f"{GOOGLE}?organization={slug}", email=email)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert f"You came as {email} with Google. {why}" in page
    assert "Ask whoever gave you the address" in page
    assert not visitor.inside("acme")
    assert not visitor.inside("globex")


def test_with_google_only_the_same_account_confirms(google: None, browser: NewBrowser) -> None:
    ana = browser()
    ana.sign_in_as(f"{GOOGLE}?organization=acme", email="ana@acme.example")
    before = ana.principal("acme")
    answer = ana.sign_in_as(f"{GOOGLE}?confirm=1&next=/acme/settings/", email="eve@acme.example")
    assert "That was another account" in answer.content.decode()
    assert ana.principal("acme") == before
    answer = ana.sign_in_as(f"{GOOGLE}?confirm=1&next=/acme/settings/", email="ana@acme.example")
    assert answer["Location"] == "/acme/settings/"
    after = ana.principal("acme")
    assert before is not None
    assert after is not None
    assert before.confirmed_at is not None
    assert after.confirmed_at is not None
    assert after.confirmed_at > before.confirmed_at


# --- Microsoft Entra --------------------------------------------------------------------------------------------------

ACME = UUID(
    "aaaaaaaa-0000-4000-8000-000000000001"
)  # the connections: their addresses are registered in Entra
GLOBEX = UUID("bbbbbbbb-0000-4000-8000-000000000002")
GLOBEX_TENANT = "bbbbbbbb-2222-4333-8444-55555555abcd"


@pytest.fixture(scope="session")
def _entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    entra = Emulator("microsoft", tmp_path_factory.mktemp("entra"))
    entra.start(
        users=[
            {"email": "ana@acme.example", "name": "Ana Ng", "tenant_id": TENANT},
            {"email": "gus@globex.example", "name": "Gus", "tenant_id": GLOBEX_TENANT},
        ],
        clients=[
            {
                "client_id": "application",
                "client_secret": "the-secret",
                "name": "Skillport",
                "redirect_uris": [redirect_url(ACME), redirect_url(GLOBEX)],
            }
        ],
    )
    yield entra
    entra.stop()


@pytest.fixture
def entra(settings: Any, _entra: Emulator) -> Emulator:
    settings.ENTRA_HOST = _entra.url
    settings.OUTBOUND_ALLOWED_ORIGINS |= {Origin.parse(_entra.url)}
    return _entra


def connect(owner: Principal, connection_id: UUID, tenant: str, *, typed: str = "the-secret") -> str:
    """Connect the organization to its tenant, let its people in as editors, and give the way in."""
    given = Settings(kind=Kind.ENTRA, tenant_id=tenant, client_id="application", client_secret=typed)
    connections.add_connection(principal=owner, given=given, connection_id=connection_id, now=timezone.now())
    admit(owner, connection_id, role=Role.EDITOR)
    return f"/accounts/oidc/{connection_id}/login"


def test_people_of_the_entra_tenant_come_in_as_the_rule_says(
    cast: Cast, entra: Emulator, browser: NewBrowser
) -> None:
    way = connect(cast.alice, ACME, TENANT)
    ana = browser()
    answer = ana.sign_in_as(way, email="ana@acme.example")
    assert (answer.status_code, answer["Location"]) == (302, "/acme/")
    principal = ana.principal("acme")
    assert principal is not None
    assert (principal.role, principal.name, principal.email) == (Role.EDITOR, "Ana Ng", "ana@acme.example")
    assert not ana.inside("globex")
    identity = Identity.objects.get(issuer=f"{entra.url}/{TENANT}/v2.0")
    assert identity.user_id == principal.user_id
    assert identity.directory_id, "Entra's object id is kept"


def test_who_is_of_another_entra_tenant_reads_why_and_whom_to_ask(
    cast: Cast, entra: Emulator, browser: NewBrowser
) -> None:
    to_acme, to_globex = connect(cast.alice, ACME, TENANT), connect(cast.charlie, GLOBEX, GLOBEX_TENANT)
    gus = browser()
    answer = gus.sign_in_as(to_acme, email="gus@globex.example")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "an account of another directory than the one that this organization uses" in page
    assert "ask one of its administrators" in page
    assert not gus.inside("acme")
    assert not Identity.objects.filter(issuer__startswith=entra.url).exists()
    assert gus.sign_in_as(to_globex, email="gus@globex.example")["Location"] == "/globex/"
    assert gus.inside("globex")
    assert not gus.inside("acme")


def test_an_entra_connection_that_would_not_work_is_not_saved(cast: Cast, entra: Emulator) -> None:
    with pytest.raises(ProviderRefused, match="does not accept this client id with this secret"):
        connect(cast.alice, ACME, TENANT, typed="an-expired-one")
    with within(cast.acme):
        assert not SignInConnection.objects.for_organization(cast.acme).exists()
