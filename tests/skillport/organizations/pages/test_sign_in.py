"""How people sign in, on pages: connections are tried before they are kept, and no secret comes back."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from skillport.accounts.models import Identity
from skillport.organizations.models import (
    AdmissionRule,
    Kind,
    Organization,
    SignInConnection,
    VerifiedDomain,
)
from skillport.organizations.services.connections import (
    LONGEST,
    ConnectionRefused,
    Settings,
    accept_google,
    add_connection,
)
from skillport.principal import Role
from skillport.scoping import within
from tests.openid import Issuer, OpenIDServer
from tests.skillport.organizations.pages.conftest import Pages, People

SECRET = "a-secret-that-never-comes-back"


@pytest.fixture
def issuer(openid: OpenIDServer) -> Issuer:
    issuer = openid.issuer("pages")
    issuer.clients["ours"] = SECRET
    return issuer


def given(issuer: Issuer, /, **other: str) -> dict[str, str]:
    return {"name": "Okta", "issuer": issuer.url, "client_id": "ours", "client_secret": SECRET, **other}


def connections(people: People) -> list[SignInConnection]:
    with within(people.acme):
        return list(SignInConnection.objects.for_organization(people.acme).order_by("created_at"))


def add(people: People, alice: Pages, issuer: Issuer, **other: str) -> SignInConnection:
    alice.told_after("settings/sign-in/add/oidc/", **given(issuer, **other))
    return connections(people)[-1]


def redirect_in(shown: str) -> str:
    found = re.search(r'id="redirect" value="([^"]+)"', shown)
    assert found, shown
    return found[1]


def test_a_provider_is_added_under_the_redirect_address_that_was_shown_before(
    people: People, alice: Pages, issuer: Issuer
) -> None:
    shown = redirect_in(alice.says("settings/sign-in/add/oidc/"))
    assert redirect_in(alice.says("settings/sign-in/add/oidc/")) == shown
    assert "It works, and is switched on." in alice.told_after("settings/sign-in/add/oidc/", **given(issuer))
    made = connections(people)[0]
    assert str(made.pk) in shown
    assert made.client_secret.open() == SECRET
    assert redirect_in(alice.says("settings/sign-in/add/oidc/")) != shown


def test_nobody_chooses_the_id_of_a_connection(people: People, alice: Pages, issuer: Issuer) -> None:
    """Another organization's provider may still know a redirect address of an id that was used before."""
    wanted = UUID(int=7)
    alice.told_after("settings/sign-in/add/oidc/", **given(issuer, connection_id=str(wanted), id=str(wanted)))
    assert connections(people)[0].pk != wanted


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"client_secret": "wrong"}, "does not accept this client id with this secret"),
        ({"client_id": "wrong"}, "does not accept this client id"),
        ({"client_secret": ""}, "This field is required."),
        ({"issuer": "junk"}, "Enter a valid URL."),
        ({"issuer": "https://okta.example:8443"}, "begins with https:// and uses the standard port"),
        ({"issuer": "https://169.254.169.254/x"}, "got no usable answer from this host"),
        ({"groups_claim": "a b"}, "groups claim"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_kept(
    people: People, alice: Pages, issuer: Issuer, other: dict[str, str], why: str
) -> None:
    shown = alice.refused("settings/sign-in/add/oidc/", **given(issuer, **other))
    assert why in shown
    assert connections(people) == []
    assert SECRET not in shown


@pytest.mark.parametrize("setting", LONGEST)
def test_no_setting_is_cut_where_it_is_too_long(
    people: People, alice: Pages, issuer: Issuer, setting: str
) -> None:
    typed = given(issuer) | {setting: f"https://{'x' * LONGEST[setting]}"}
    with pytest.raises(ConnectionRefused, match=f"at most {LONGEST[setting]} characters as the"):
        add_connection(
            principal=people[Role.OWNER], given=Settings(kind=Kind.OIDC, **typed), now=timezone.now()
        )
    if setting != "tenant_id":  # which this kind does not have
        assert f"at most {LONGEST[setting]} characters" in alice.refused(
            "settings/sign-in/add/oidc/", **typed
        )
    assert connections(people) == []


def test_entra_wants_the_id_of_the_directory(people: People, alice: Pages) -> None:
    shown = alice.refused(
        "settings/sign-in/add/entra/", tenant_id="common", client_id="ours", client_secret=SECRET
    )
    assert "are not accepted" in shown
    assert alice.get("settings/sign-in/add/saml/").status_code == 404


def test_google_is_accepted_once_with_one_button(people: People, alice: Pages, openid: OpenIDServer) -> None:
    openid.issuer("google")
    assert "Google</a>" in alice.says("settings/sign-in/")
    assert "let in everybody of a domain" in alice.says("settings/sign-in/add/google/")
    alice.told_after("settings/sign-in/add/google/")
    assert "add/google/" not in alice.says("settings/sign-in/")
    assert "has this connection already. Open it in the list." in alice.refused(
        "settings/sign-in/add/google/"
    )
    assert alice.get(f"settings/sign-in/{connections(people)[0].pk}/edit/").status_code == 404


def test_no_page_shows_a_stored_secret_and_an_empty_field_keeps_it(
    people: People, alice: Pages, issuer: Issuer
) -> None:
    page = f"settings/sign-in/{add(people, alice, issuer).pk}/"
    for one in ("settings/sign-in/", page, f"{page}edit/", f"{page}delete/"):
        assert SECRET not in alice.says(one)
    assert "It works, and is saved." in alice.told_after(
        f"{page}edit/", **given(issuer, name="Our Okta", client_secret="")
    )
    made = connections(people)[0]
    assert (made.name, made.client_secret.open()) == ("Our Okta", SECRET)


def test_a_stored_secret_is_not_sent_to_another_issuer(
    people: People, alice: Pages, issuer: Issuer, openid: OpenIDServer
) -> None:
    page = f"settings/sign-in/{add(people, alice, issuer).pk}/edit/"
    elsewhere = openid.issuer("elsewhere")
    shown = alice.refused(page, **given(elsewhere, client_secret=""))
    assert "Give the client secret." in shown
    assert connections(people)[0].issuer == issuer.url


def test_a_connection_is_checked_switched_off_and_on_and_deleted(
    people: People, alice: Pages, issuer: Issuer
) -> None:
    page = f"settings/sign-in/{add(people, alice, issuer).pk}/"
    assert "answers and accepts this client" in alice.told_after(f"{page}check/")
    issuer.clients["ours"] = "another secret now"
    assert "does not accept this client id" in alice.told_after(f"{page}check/")
    accept_google(people.acme)
    assert "Nobody gets in this way any more." in alice.told_after(f"{page}enable/", enabled="no")
    assert not connections(people)[0].enabled
    assert "People get in this way again." in alice.told_after(f"{page}enable/", enabled="yes")
    assert connections(people)[0].enabled
    assert "Members stay members" in alice.says(f"{page}delete/")
    assert "Okta is deleted." in alice.told_after(f"{page}delete/")
    assert [one.kind for one in connections(people)] == ["google"]


def test_the_last_way_in_cannot_be_closed(people: People, alice: Pages) -> None:
    page = f"settings/sign-in/{accept_google(people.acme).pk}/"
    Identity.objects.create(
        user_id=people[Role.OWNER].user_id, issuer=settings.GOOGLE_ISSUER, subject="alice at Google"
    )
    for post in (f"{page}enable/", f"{page}delete/"):
        assert "the last way in that an owner of the organization has used" in alice.told_after(
            post, enabled="no"
        )
    assert [one.enabled for one in connections(people)] == [True]


def test_local_accounts_are_refused_and_allowed_again(people: People, alice: Pages, bob: Pages) -> None:
    accept_google(people.acme)
    assert bob.get().status_code == 200
    answer = alice.post("settings/sign-in/local-accounts/", allowed="no")
    assert answer.status_code == 302
    assert not Organization.objects.get(pk=people.acme.pk).local_accounts
    assert bob.get().status_code == 404, "Bob came with a local account"
    Organization.objects.filter(pk=people.acme.pk).update(local_accounts=True)
    assert "Refuse local accounts" in alice.says("settings/sign-in/")
    assert "get in" in alice.told_after("settings/sign-in/local-accounts/", allowed="yes")
    assert [one.enabled for one in connections(people)] == [True], "Google stays as it is"


def rules(people: People) -> list[tuple[str, str, str, str]]:
    with within(people.acme):
        rows = AdmissionRule.objects.for_organization(people.acme)
        return list(rows.values_list("by", "value", "admission", "role"))


def test_people_are_let_in_by_group_or_all_of_them(people: People, alice: Pages, issuer: Issuer) -> None:
    page = f"settings/sign-in/{add(people, alice, issuer, groups_claim='groups').pk}/"
    form = {"by": "group", "value": "eng", "admission": "automatic", "role": "editor"}
    assert "holds from the next sign-in on" in alice.told_after(f"{page}rules/add/", **form)
    assert rules(people) == [("group", "eng", "automatic", "editor")]
    assert "There is such a rule already" in alice.refused(f"{page}rules/add/", **form)
    assert "Name the group" in alice.refused(f"{page}rules/add/", **{**form, "value": " "})
    alice.refused(f"{page}rules/add/", **{**form, "role": "owner"})
    alice.told_after(f"{page}rules/add/", by="connection", admission="approval", role="member")
    assert "<code>eng</code>" in alice.says(page)
    with within(people.acme):
        rule = AdmissionRule.objects.for_organization(people.acme).get(by="group")
    assert "Who came by it stays." in alice.told_after(f"{page}rules/{rule.pk}/delete/")
    assert rules(people) == [("connection", "", "approval", "member")]


def test_google_lets_in_by_verified_domain_only(people: People, alice: Pages) -> None:
    page = f"settings/sign-in/{accept_google(people.acme).pk}/rules/add/"
    assert "Verify a domain first" in alice.says(page)
    with within(people.acme):
        VerifiedDomain.objects.create(
            organization=people.acme, domain="acme.example", challenge="x", verified_at=people.acme.created_at
        )
        VerifiedDomain.objects.create(organization=people.acme, domain="claimed.example", challenge="y")
    assert "claimed.example" not in alice.says(page)
    alice.refused(page, value="claimed.example", admission="automatic", role="member")
    alice.told_after(page, value="acme.example", admission="automatic", role="member")
    assert rules(people) == [("domain", "acme.example", "automatic", "member")]


def test_what_another_provider_calls_itself_is_text(people: People, alice: Pages, issuer: Issuer) -> None:
    issuer.metadata["issuer"] = "<script>alert(1)</script>"
    shown = alice.refused("settings/sign-in/add/oidc/", **given(issuer))
    assert "calls itself" in shown
    assert "<script>alert" not in shown


def test_an_administrator_does_not_change_how_people_sign_in(pages: Callable[[Role], Pages]) -> None:
    ada = pages(Role.ADMIN)
    assert "settings/sign-in/" not in ada.says("settings/members/")
    assert ada.post("settings/sign-in/local-accounts/", allowed="no").status_code == 403
