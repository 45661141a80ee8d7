"""Signing in with a real browser: what our policies let it follow, and what stays out of every address.

The provider is at `localhost` and we are at `127.0.0.1`, so to the browser they are two sites.
Seen red with: a form that redirects to the provider, a Strict session cookie, a step-up that forgets where it began, an
invitation's form that GETs, and its form in the log.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from skillport.accounts.models import Session
from skillport.organizations.models import Admission, By, Kind, Membership, VerifiedDomain
from skillport.organizations.services import admission_rules, connections, invitations
from skillport.organizations.services.connections import Settings, redirect_url
from skillport.organizations.services.invitations import Sent
from skillport.outbound import Origin
from skillport.principal import Role
from skillport.scoping import within
from tests.browser import Page
from tests.cast import Cast, make_cast, secret_in
from tests.oidc_mock import Provider
from tests.running import Running


@pytest.fixture
def cast(live: Running) -> Cast:
    return make_cast()


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with Provider() as provider:
        settings.OUTBOUND_ALLOWED_ORIGINS |= {Origin.parse(provider.issuer)}
        provider.know("ana", email="ana@acme.example", name="Ana Ng")
        yield provider


@pytest.fixture
def acme(cast: Cast, provider: Provider) -> Cast:
    """Acme signs in at its own provider, and has proved acme.example to be its own."""
    connection_id, now = uuid4(), timezone.now()
    client_id, secret = provider.register(redirect_url(connection_id))
    given = Settings(kind=Kind.OIDC, issuer=provider.issuer, client_id=client_id, client_secret=secret)
    connections.add_connection(principal=cast.alice, given=given, connection_id=connection_id, now=now)
    admission_rules.add_rule(
        principal=cast.alice, connection_id=connection_id, by=By.CONNECTION, value="",
        admission=Admission.AUTOMATIC, role=Role.MEMBER, now=now,
    )  # fmt: skip
    with within(cast.acme):
        VerifiedDomain.objects.create(
            organization=cast.acme, domain="acme.example", challenge="x", verified_at=now
        )
    return cast


def be_ana(page: Page, provider: Provider) -> None:
    """Tell the provider's own page who it is."""
    assert page.wait_for("Authorize").startswith(provider.issuer)
    page.type("sub", "ana")
    page.click("Authorize")


def invited(acme: Cast, role: Role) -> Sent:
    return invitations.create_invitation(
        principal=acme.alice, email="ana@elsewhere.example", role=role, now=timezone.now()
    )


def accept(page: Page, provider: Provider, sent: Sent) -> None:
    """Follow the link of an invitation, and accept it by signing in."""
    page.open(sent.link)
    assert page.wait_for("Alice invites you to Acme") == f"{settings.SITE_URL}/accounts/invitation"
    page.click("Sign in to accept it")
    page.click("Continue with your organization's sign-in")
    be_ana(page, provider)
    page.wait_for("Skills at Acme")


def test_from_an_organizations_page_to_its_provider_and_back(
    acme: Cast, provider: Provider, page: Page
) -> None:
    page.open(f"{settings.SITE_URL}/acme/")
    assert page.wait_for("Sign in to acme") == f"{settings.SITE_URL}/acme/sign-in?next=%2Facme%2F"
    page.click("Continue with your organization's sign-in")
    be_ana(page, provider)
    assert page.wait_for("Skills at Acme") == f"{settings.SITE_URL}/acme/"
    assert page.complaints(settings.SITE_URL) == []


def test_from_a_work_address_to_the_provider_and_back(acme: Cast, provider: Provider, page: Page) -> None:
    page.open(f"{settings.SITE_URL}/accounts/sign-in?next=/acme/")
    page.type("email", "ana@acme.example")
    page.click("Continue")
    be_ana(page, provider)
    assert page.wait_for("Skills at Acme") == f"{settings.SITE_URL}/acme/"
    assert page.complaints(settings.SITE_URL) == []


def test_a_step_up_leads_through_the_provider_and_back_to_the_form(
    acme: Cast, provider: Provider, page: Page
) -> None:
    form = f"{settings.SITE_URL}/acme/settings/sign-in/domains/add/"
    accept(page, provider, invited(acme, Role.OWNER))
    confirm_again(page, provider, lambda: page.open(form))
    assert page.wait_for("Add a domain") == form
    page.type("domain", "acme.net")
    confirm_again(page, provider, lambda: page.click("Add domain"))
    assert page.wait_for("Add a domain") == form, "what was typed is gone, the form is not"
    page.type("domain", "acme.net")
    page.click("Add domain")
    page.wait_for("Now prove that it is yours.")
    assert page.complaints(settings.SITE_URL) == []


def confirm_again(page: Page, provider: Provider, act: Callable[[], None]) -> None:
    """Let the proof be too old, do what needs one, and prove at the provider that it is still Ana."""
    Session.objects.update(confirmed_at=timezone.now() - timedelta(hours=1))
    act()
    page.click("Confirm with your organization's provider")
    be_ana(page, provider)


def test_an_invitations_secret_is_in_no_address_and_no_log(
    acme: Cast, provider: Provider, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    sent = invited(acme, Role.EDITOR)
    with caplog.at_level("DEBUG"):
        accept(page, provider, sent)
    carrying = [asked for asked in page.asked if secret_in(sent) in str(asked)]
    assert [(asked["method"], asked["url"]) for asked in carrying] == [
        ("POST", f"{settings.SITE_URL}/accounts/invitation")
    ], "it is in the body of the one form"
    said = "\n".join(caplog.messages) + repr([vars(line) for line in caplog.records])
    assert "/accounts/invitation" in said
    assert secret_in(sent) not in said
    with within(acme.acme):
        ana = Membership.objects.for_organization(acme.acme).get(user__email="ana@acme.example")
        assert ana.role == Role.EDITOR, "as the invitation said, not as the rule for everybody"
    assert page.complaints(settings.SITE_URL) == []
