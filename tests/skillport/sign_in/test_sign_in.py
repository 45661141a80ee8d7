"""T-SSO-3 and the pages of sign-in: whose answer it is, where it leads, and what a page gives away."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from skillport.accounts.models import Session
from skillport.organizations.services import connections
from skillport.organizations.services.provider_metadata import ProviderRefused
from skillport.outbound import HostUnreachable
from skillport.principal import Role
from tests.cast import Cast
from tests.openid import Issuer, OpenIDServer, Person
from tests.skillport.sign_in.conftest import Browser, NewBrowser, OwnProvider, hold_domain, own_provider


def cookie_of(browser: Browser) -> str:
    return browser.client.cookies[settings.SESSION_COOKIE_NAME].value


def test_the_session_id_changes_when_somebody_signs_in(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    answer = visitor.begin(acme_provider.way)
    before = cookie_of(visitor)
    visitor.client.get(answer)
    assert cookie_of(visitor) != before
    attacker = browser()
    attacker.client.cookies[settings.SESSION_COOKIE_NAME] = before
    assert not attacker.inside("acme"), "who fixed the earlier session has nothing"
    assert not Session.objects.filter(session_key=cookie_of(visitor)).exists(), (
        "the cookie itself is not stored"
    )


def test_an_answer_belongs_to_the_browser_that_asked(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    victim, attacker = browser(), browser()
    answer = attacker.begin(acme_provider.way)
    assert victim.client.get(answer).status_code == 403
    assert not victim.inside("acme")
    victim.begin(acme_provider.way)  # a sign-in of one's own under way changes nothing
    assert victim.client.get(answer).status_code == 403


def test_an_answer_works_once(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    visitor = browser()
    answer = visitor.begin(acme_provider.way)
    assert visitor.client.get(answer).status_code == 302
    again = browser()
    again.client.cookies = visitor.client.cookies
    assert again.client.get(answer).status_code == 403


def test_an_answer_of_another_provider_is_refused(
    cast: Cast, acme_provider: OwnProvider, openid: OpenIDServer, browser: NewBrowser
) -> None:
    """The mix-up: the state of one connection at the callback of another, or with another issuer (RFC 9207)."""
    other = own_provider(cast.charlie, openid.issuer("other"))
    visitor = browser()
    answer = visitor.begin(other.way)
    moved = answer.replace(str(other.connection_id), str(acme_provider.connection_id))
    assert visitor.client.get(moved).status_code == 403
    answer = visitor.begin(acme_provider.way)
    assert visitor.client.get(f"{answer}&iss=https://evil.example").status_code == 403
    assert not visitor.inside("acme")


def test_state_nonce_and_challenge_are_new_each_time(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    for _ in range(2):
        browser().begin(acme_provider.way)
    one, two = acme_provider.issuer.asked
    assert one["code_challenge_method"] == two["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != two[name]
        assert len(one[name]) >= 16
    assert set(one["scope"].split()) == {"openid", "profile", "email"}
    assert one["redirect_uri"].startswith(settings.SITE_URL)
    assert "the-secret" not in str(one)


def test_the_request_cannot_add_parameters_of_its_own(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    browser().begin(
        f"{acme_provider.way}?scope=admin&auth_params=nonce%3Dfixed%26prompt%3Dnone&process=connect"
    )
    asked = acme_provider.issuer.asked[-1]
    assert "admin" not in asked["scope"]
    assert asked["nonce"] != "fixed"
    assert "prompt" not in asked


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/%2f/evil.example",
    ],
)
def test_a_sign_in_leads_nowhere_else(acme_provider: OwnProvider, browser: NewBrowser, where: str) -> None:
    response = browser().sign_in(f"{acme_provider.way}?next={where}")
    assert response["Location"] == "/acme/"  # type: ignore[index]


def test_a_sign_in_leads_back_to_where_it_was_asked_for(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    begun = visitor.client.get("/acme/sign-in?next=/acme/settings/members/%3Fq%3Dx")
    assert begun.status_code == 200
    own = visitor.client.get("/acme/sign-in/own?next=/acme/settings/members/%3Fq%3Dx")
    response = visitor.sign_in(own["Location"])
    assert response["Location"] == "/acme/settings/members/?q=x"  # type: ignore[index]


def test_a_person_whom_the_provider_sends_back_is_told_so(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    acme_provider.issuer.refuses = "access_denied"
    answer = browser().sign_in(acme_provider.way)
    assert answer.status_code == 403
    assert "ask whoever manages accounts" in answer.content.decode()


def test_a_connection_that_is_switched_off_or_not_there_looks_the_same(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser, openid: OpenIDServer
) -> None:
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    assert visitor.inside("acme")
    own_provider(cast.alice, openid.issuer("another"))
    connections.enable_connection(
        principal=cast.alice, connection_id=acme_provider.connection_id, enabled=False, now=timezone.now()
    )
    assert not visitor.inside("acme"), "sessions that it vouched for end with it"
    off = browser().client.get(acme_provider.way)
    absent = browser().client.get("/accounts/oidc/00000000-0000-4000-8000-000000000000/login")
    text = browser().client.get("/accounts/oidc/not-an-id/login")
    assert off.status_code == absent.status_code == text.status_code == 404
    assert off.content == absent.content == text.content


# --- routing by address -------------------------------------------------------------------------------------------------


def ask(browser: Browser, email: str) -> tuple[bytes, str]:
    """Give the page that answers the address, and where its link leads."""
    page = browser.client.post("/accounts/sign-in", {"email": email})
    assert page.status_code == 200
    onward = browser.client.get("/accounts/continue")
    return page.content, onward.headers.get("Location", str(onward.status_code))


def test_the_work_address_leads_to_the_organizations_own_provider(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    hold_domain(cast.alice, "acme.example")
    _, where = ask(browser(), "Anybody@ACME.example")
    assert where == f"{acme_provider.way}?next=%2F"


def test_every_address_gets_the_same_page(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    hold_domain(cast.alice, "acme.example")
    pages = {ask(browser(), f"ana@{domain}") for domain in ("acme.example", "unknown.example")}
    assert len({content for content, _ in pages}) == 1
    assert {where for _, where in pages} == {f"{acme_provider.way}?next=%2F", "200"}


def test_an_international_domain_routes_however_it_is_typed(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    hold_domain(cast.alice, "xn--bcher-kva.example")
    for typed in ("ana@bücher.example", "ana@BÜCHER.example", "ana@xn--bcher-kva.example"):
        assert ask(browser(), typed)[1] == f"{acme_provider.way}?next=%2F"


def test_an_address_is_looked_up_only_for_whoever_goes_on(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    """The same work for every address: what a known domain would cost more, it costs after the answer."""
    hold_domain(cast.alice, "acme.example")
    counts = []
    for domain in ("acme.example", "unknown.example"):
        visitor = browser()
        visitor.client.get("/accounts/sign-in")
        with CaptureQueriesContext(connection) as queries:
            visitor.client.post("/accounts/sign-in", {"email": f"ana@{domain}"})
        counts.append([one["sql"].split(" ")[0] for one in queries.captured_queries])
    assert counts[0] == counts[1]


def test_only_a_proved_domain_routes(cast: Cast, browser: NewBrowser) -> None:
    from skillport.organizations.models import VerifiedDomain
    from skillport.scoping import within

    with within(cast.globex):
        VerifiedDomain.objects.create(organization=cast.globex, domain="acme.example", challenge="x")
    assert ask(browser(), "ana@acme.example")[1] == "200"


def test_the_sign_in_page_of_an_organization_is_the_same_for_one_that_is_not_there(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    ours, absent = (browser().client.get(f"/{slug}/sign-in").content for slug in ("acme", "nope"))
    assert ours.replace(b"acme", b"nope") == absent
    assert browser().client.get("/nope/sign-in/own").status_code == 404


# --- step-up ------------------------------------------------------------------------------------------------------------


def test_a_step_up_asks_the_provider_to_ask_the_person(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    first = visitor.principal("acme")
    answer = visitor.sign_in(f"{acme_provider.way}?confirm=1&next=/acme/settings/")
    asked = acme_provider.issuer.asked[-1]
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    assert answer["Location"] == "/acme/settings/"  # type: ignore[index]
    second = visitor.principal("acme")
    assert first is not None
    assert second is not None
    assert first.confirmed_at is None, "a provider that asked nobody has proved nothing"
    assert second.confirmed_at is not None


def test_a_step_up_by_somebody_else_changes_nothing(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    before = visitor.principal("acme")
    acme_provider.issuer.person = Person("another-person")
    answer = visitor.sign_in(f"{acme_provider.way}?confirm=1")
    assert answer.status_code == 403
    assert visitor.principal("acme") == before


def test_a_sign_in_proves_no_more_than_the_provider_says(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    """Who sits down at an unlocked browser can sign in again by one click; that must not count as a step-up."""
    eight_hours_ago = int(timezone.now().timestamp()) - 8 * 3600
    for said, proved in [(..., None), (eight_hours_ago, eight_hours_ago), (10**18, None), (True, None)]:
        acme_provider.issuer.person.claims["auth_time"] = said
        visitor = browser()
        visitor.sign_in(acme_provider.way)
        principal = visitor.principal("acme")
        assert principal is not None, said
        confirmed_at = principal.confirmed_at
        assert (int(confirmed_at.timestamp()) if confirmed_at else None) == proved, said


def test_a_provider_that_does_not_say_when_it_asked_confirms_nobody(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    acme_provider.issuer.person.claims["auth_time"] = ...
    answer = visitor.sign_in(f"{acme_provider.way}?confirm=1")
    assert answer.status_code == 403
    assert "auth_time" in answer.content.decode()


def test_another_site_cannot_make_a_browser_somebody_else(
    acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    page = visitor.client.get(acme_provider.way, headers={"sec-fetch-site": "cross-site"})
    assert page.status_code == 200
    assert "Sign in with Our provider?" in page.content.decode()
    assert visitor.client.get(acme_provider.way, headers={"sec-fetch-site": "same-origin"}).status_code == 302


def test_an_old_proof_is_no_step_up(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    before = visitor.principal("acme")
    long_ago = int(timezone.now().timestamp()) - 3600
    acme_provider.issuer.person.claims["auth_time"] = long_ago
    assert visitor.sign_in(f"{acme_provider.way}?confirm=1").status_code == 403
    assert visitor.principal("acme") == before


# --- a provider that leads elsewhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest", "http://127.0.0.1:5432/", "file:///etc/passwd", "https://10.0.0.1/"],
)
def test_a_provider_cannot_send_us_into_the_network(
    cast: Cast, openid: OpenIDServer, name: str, address: str
) -> None:
    from skillport.organizations.models import Kind
    from skillport.organizations.services.connections import Settings
    from skillport.outbound import AddressInvalid

    issuer = openid.issuer("inward")
    issuer.metadata[name] = address
    given = Settings(kind=Kind.OIDC, issuer=issuer.url, client_id="ours", client_secret="the-secret")
    with pytest.raises((HostUnreachable, AddressInvalid)):
        connections.check_connection(principal=cast.alice, given=given, now=timezone.now())


def test_a_provider_may_speak_for_itself_only(cast: Cast, openid: OpenIDServer) -> None:
    issuer = openid.issuer("pretender")
    issuer.metadata["issuer"] = f"{settings.OPENID_ORIGIN}/google"
    with pytest.raises(ProviderRefused, match="calls itself"):
        own_provider(cast.alice, issuer)


def test_a_wrong_secret_is_found_before_it_is_saved(cast: Cast, openid: OpenIDServer) -> None:
    issuer = openid.issuer("strict")
    issuer.clients["somebody-elses"] = "x"
    from skillport.organizations.models import Kind
    from skillport.organizations.services.connections import Settings

    given = Settings(kind=Kind.OIDC, issuer=issuer.url, client_id="ours", client_secret="wrong")
    with pytest.raises(ProviderRefused, match="does not accept this client id"):
        connections.add_connection(principal=cast.alice, given=given, now=timezone.now())
    assert connections.list_connections(principal=cast.alice) == []


def test_roles_come_from_rules_never_from_claims(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    acme_provider.issuer.person = Person("ana", {"role": "owner", "roles": ["owner"], "groups": ["owner"]})
    visitor = browser()
    visitor.sign_in(acme_provider.way)
    principal = visitor.principal("acme")
    assert principal is not None
    assert principal.role is Role.MEMBER


def test_secrets_of_a_sign_in_stand_in_no_address(acme_provider: OwnProvider, browser: NewBrowser) -> None:
    visitor: Client = browser().client
    response = visitor.get(acme_provider.way)
    query = parse_qs(urlsplit(response["Location"]).query)
    assert "client_secret" not in query
    assert "code_verifier" not in query
    assert httpx2.get(response["Location"], trust_env=False, timeout=20).status_code == 302


def test_google_is_the_same_for_an_organization_that_is_not_there(
    google: Issuer, browser: NewBrowser
) -> None:
    google.person = Person("ana", {"email": "ana@other.example", "hd": "other.example"})
    ours = browser().sign_in("/accounts/oidc/google/login?organization=globex")
    absent = browser().sign_in("/accounts/oidc/google/login?organization=not-there")
    assert ours.status_code == absent.status_code == 403
    assert ours.content == absent.content
