"""An organization's own OpenID provider end to end, whose id tokens say groups or leave them to userinfo.

Seen red with: everybody of a connection admitted whatever their groups, and userinfo never asked.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from skillport.organizations.models import By, Kind, SignInConnection
from skillport.organizations.services import connections
from skillport.organizations.services.connections import Settings, redirect_url
from skillport.organizations.services.provider_metadata import ProviderRefused
from skillport.outbound import Origin
from skillport.principal import Role
from skillport.scoping import within
from tests.cast import Cast
from tests.oidc_mock import Provider
from tests.skillport.sign_in.conftest import NewBrowser, admit


@pytest.fixture
def okta(settings: Any) -> Iterator[Provider]:
    with Provider() as provider:
        settings.OUTBOUND_ALLOWED_ORIGINS |= {Origin.parse(provider.issuer)}
        yield provider


def connect(cast: Cast, provider: Provider, *, secret: str = "") -> UUID:
    """Connect Acme as an administrator does: register the address that is shown, and enter what the provider gives."""
    connection_id = uuid4()
    client_id, client_secret = provider.register(redirect_url(connection_id))
    given = Settings(
        kind=Kind.OIDC, name="Acme's Okta", issuer=provider.issuer, client_id=client_id,
        client_secret=secret or client_secret, groups_claim="groups",
    )  # fmt: skip
    return connections.add_connection(
        principal=cast.alice, given=given, connection_id=connection_id, now=timezone.now()
    )


@pytest.fixture
def way(cast: Cast, okta: Provider) -> str:
    """Acme lets in its engineers as editors and its staff as members."""
    connection_id = connect(cast, okta)
    admit(cast.alice, connection_id, by=By.GROUP, value="engineers", role=Role.EDITOR)
    admit(cast.alice, connection_id, by=By.GROUP, value="staff")
    return f"/accounts/oidc/{connection_id}/login"


@pytest.mark.parametrize(
    ("groups", "role"), [(["staff"], Role.MEMBER), (["staff", "engineers", "x"], Role.EDITOR)]
)
def test_people_come_in_as_the_rule_for_their_group_says(
    okta: Provider, way: str, browser: NewBrowser, groups: list[str], role: Role
) -> None:
    okta.know("00uana", email="ana@acme.example", name="Ana Ng", groups=groups)
    ana = browser()
    answer = ana.sign_in_as(way, sub="00uana")
    assert (answer.status_code, answer["Location"]) == (302, "/acme/")
    principal = ana.principal("acme")
    assert principal is not None
    assert (principal.role, principal.name, principal.email) == (role, "Ana Ng", "ana@acme.example")
    assert not ana.inside("globex")


@pytest.mark.parametrize("claims", [{"groups": ["contractors"]}, {"groups": []}, {}])
def test_who_is_in_no_such_group_reads_why_and_whom_to_ask(
    okta: Provider, way: str, browser: NewBrowser, claims: dict[str, Any]
) -> None:
    okta.know("00ucon", email="con@acme.example", **claims)
    visitor = browser()
    answer = visitor.sign_in_as(way, sub="00ucon")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Acme&#x27;s Okta knows you as con@acme.example, but Acme has not let you in" in page
    assert "Ask an owner or an administrator there" in page
    assert not visitor.inside("acme")


def test_what_the_id_token_leaves_out_is_asked_at_userinfo(
    okta: Provider, way: str, browser: NewBrowser
) -> None:
    okta.know("00uana")
    okta.know_at_userinfo("00uana", email="ana@acme.example", name="Ana Ng", groups=["engineers"])
    ana = browser()
    ana.sign_in_as(way, sub="00uana")
    principal = ana.principal("acme")
    assert principal is not None
    assert (principal.role, principal.name, principal.email) == (Role.EDITOR, "Ana Ng", "ana@acme.example")


def test_a_connection_with_a_wrong_secret_is_not_saved(cast: Cast, okta: Provider) -> None:
    with pytest.raises(ProviderRefused, match="does not accept this client id with this secret"):
        connect(cast, okta, secret="a-wrong-one")
    with within(cast.acme):
        assert not SignInConnection.objects.for_organization(cast.acme).exists()
