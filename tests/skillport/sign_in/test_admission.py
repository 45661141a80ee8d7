"""Who is let in by a provider's word, as what, and who waits."""

import pytest
from django.utils import timezone

from skillport.accounts.models import User
from skillport.organizations.models import Admission, By, JoinReason, Kind, Membership, SignInConnection
from skillport.organizations.services import admission_rules, connections, groups, invitations, join_requests
from skillport.organizations.services.members import change_role, remove_member
from skillport.principal import Role
from skillport.scoping import within
from tests.cast import Cast
from tests.openid import Issuer, OpenIDServer, Person
from tests.skillport.sign_in.conftest import (
    Browser,
    NewBrowser,
    OwnProvider,
    admit,
    hold_domain,
    own_provider,
)

GOOGLE = "/accounts/oidc/google/login"


@pytest.fixture
def grouped(cast: Cast, openid: OpenIDServer) -> OwnProvider:
    """Acme's own provider, which says groups."""
    return own_provider(cast.alice, openid.issuer("grouped"), groups_claim="groups")


def arrive(browser: Browser, provider: OwnProvider, person: Person) -> int:
    provider.issuer.person = person
    return browser.sign_in(provider.way).status_code


def test_a_rule_for_a_group_gives_its_role_and_the_highest_wins(
    cast: Cast, grouped: OwnProvider, browser: NewBrowser
) -> None:
    admit(cast.alice, grouped.connection_id, by=By.GROUP, value="staff")
    admit(cast.alice, grouped.connection_id, by=By.GROUP, value="leads", role=Role.ADMIN)
    visitor = browser()
    arrive(visitor, grouped, Person("ana", {"groups": ["staff", "leads"]}))
    principal = visitor.principal("acme")
    assert principal is not None
    assert principal.role is Role.ADMIN


def test_a_member_keeps_the_role_that_an_administrator_gave(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    first = browser()
    arrive(first, acme_provider, Person("ana"))
    principal = first.principal("acme")
    assert principal is not None
    change_role(
        principal=cast.alice, membership_id=principal.membership_id, role=Role.EDITOR, now=timezone.now()
    )
    again = browser()
    arrive(again, acme_provider, Person("ana"))
    principal = again.principal("acme")
    assert principal is not None
    assert principal.role is Role.EDITOR


def test_fed_groups_follow_what_the_provider_says(
    cast: Cast, grouped: OwnProvider, browser: NewBrowser
) -> None:
    admit(cast.alice, grouped.connection_id)
    for value in ("blue", "red"):
        groups.create_fed_group(
            principal=cast.alice, connection_id=grouped.connection_id, claim_value=value, name=value.title()
        )
    visitor = browser()

    def now_in(*said: str) -> set[str]:
        arrive(visitor, grouped, Person("ana", {"groups": list(said)}))
        principal = visitor.principal("acme")
        assert principal is not None
        shown = groups.list_groups(principal=cast.alice)
        return {one.name for one in shown if one.id in principal.groups}

    assert now_in("blue", "unheard-of") == {"Blue"}
    assert now_in("red", "blue") == {"Blue", "Red"}
    assert now_in() == set()


def test_groups_that_the_provider_left_out_change_nothing(
    cast: Cast, grouped: OwnProvider, browser: NewBrowser
) -> None:
    """Entra names more than 200 groups by a link, which is not the same as none."""
    admit(cast.alice, grouped.connection_id, by=By.GROUP, value="staff")
    groups.create_fed_group(
        principal=cast.alice, connection_id=grouped.connection_id, claim_value="staff", name="Staff"
    )
    visitor = browser()
    arrive(visitor, grouped, Person("ana", {"groups": ["staff"]}))
    assert arrive(visitor, grouped, Person("ana", {"_claim_names": {"groups": "src1"}})) == 302
    principal = visitor.principal("acme")
    assert principal is not None
    assert len(principal.groups) == 1


def test_the_provider_refusing_somebody_ends_their_membership(
    cast: Cast, grouped: OwnProvider, browser: NewBrowser
) -> None:
    admit(cast.alice, grouped.connection_id, by=By.GROUP, value="staff")
    visitor, elsewhere = browser(), browser()
    arrive(visitor, grouped, Person("ana", {"groups": ["staff"]}))
    arrive(elsewhere, grouped, Person("ana", {"groups": ["staff"]}))
    assert elsewhere.inside("acme")
    assert arrive(visitor, grouped, Person("ana", {"groups": []})) == 403
    assert not visitor.inside("acme")
    assert not elsewhere.inside("acme"), "all that hung on the membership ended with it"
    assert arrive(visitor, grouped, Person("ana", {"groups": ["staff"]})) == 403, (
        "and an administrator decides"
    )
    assert [one.reason for one in join_requests.list_join_requests(principal=cast.alice)] == [
        JoinReason.RETURNING
    ]


def test_changing_settings_ends_nobodys_membership(
    cast: Cast, grouped: OwnProvider, openid: OpenIDServer, browser: NewBrowser
) -> None:
    """Only the provider no longer saying the very group does."""
    rule = admit(cast.alice, grouped.connection_id, by=By.GROUP, value="staff")
    visitor = browser()
    ana = Person("ana", {"groups": ["staff"]})
    arrive(visitor, grouped, ana)
    admission_rules.delete_rule(principal=cast.alice, rule_id=rule, now=timezone.now())
    assert arrive(visitor, grouped, ana) == 302, "the rule is gone, and who came by it stays"
    crowd = Person("ana", {"groups": [f"group-{number}" for number in range(1001)]})
    assert arrive(visitor, grouped, crowd) == 302, "more groups than are read say nothing"
    with within(cast.acme):
        SignInConnection.objects.for_organization(cast.acme).update(groups_claim="roles")
    assert arrive(visitor, grouped, ana) == 302, "another claim says nothing of the group"
    with within(cast.acme):
        SignInConnection.objects.for_organization(cast.acme).update(groups_claim="groups")
    assert arrive(visitor, grouped, Person("ana", {"groups": ["other"]})) == 403


def test_another_connection_of_the_same_provider_withdraws_nothing(
    cast: Cast, grouped: OwnProvider, browser: NewBrowser
) -> None:
    admit(cast.alice, grouped.connection_id, by=By.GROUP, value="staff")
    arrive(browser(), grouped, Person("ana", {"groups": ["staff"]}))
    grouped.issuer.clients["second"] = "another-secret"
    given = connections.Settings(
        kind=Kind.OIDC, issuer=grouped.issuer.url, client_id="second", client_secret="another-secret"
    )
    second = connections.add_connection(principal=cast.alice, given=given, now=timezone.now())
    visitor = browser()
    visitor.sign_in(f"/accounts/oidc/{second}/login")
    assert visitor.inside("acme")


def test_a_refusal_is_not_undone_by_another_address(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    arrive(visitor, acme_provider, Person("ana", {"email": "bob@example.org"}))
    assert arrive(visitor, acme_provider, Person("ana", {"email": "new@acme.example"})) == 403
    (waiting,) = join_requests.list_join_requests(principal=cast.alice)
    join_requests.refuse_join_request(principal=cast.alice, request_id=waiting.id)
    assert arrive(visitor, acme_provider, Person("ana", {"email": "new@acme.example"})) == 403
    assert not visitor.inside("acme")


def test_after_approval_somebody_decides(cast: Cast, openid: OpenIDServer, browser: NewBrowser) -> None:
    provider = own_provider(cast.alice, openid.issuer("approval"))
    admit(cast.alice, provider.connection_id, admission=Admission.APPROVAL, role=Role.EDITOR)
    visitor = browser()
    for _ in range(2):
        assert arrive(visitor, provider, Person("ana", {"email": "ana@acme.example", "name": "Ana"})) == 403
    (waiting,) = join_requests.list_join_requests(principal=cast.alice)
    assert (waiting.name, waiting.role, waiting.reason) == ("Ana", Role.EDITOR, JoinReason.APPROVAL)
    join_requests.approve_join_request(principal=cast.alice, request_id=waiting.id, now=timezone.now())
    assert arrive(visitor, provider, Person("ana")) == 302
    assert visitor.inside("acme")


def test_who_was_refused_does_not_ask_again_at_each_sign_in(
    cast: Cast, openid: OpenIDServer, browser: NewBrowser
) -> None:
    provider = own_provider(cast.alice, openid.issuer("refusal"))
    admit(cast.alice, provider.connection_id, admission=Admission.APPROVAL)
    visitor = browser()
    arrive(visitor, provider, Person("ana"))
    (waiting,) = join_requests.list_join_requests(principal=cast.alice)
    join_requests.refuse_join_request(principal=cast.alice, request_id=waiting.id)
    provider.issuer.person = Person("ana")
    answer = visitor.sign_in(provider.way)
    assert "has decided not to let you in" in answer.content.decode()
    assert join_requests.list_join_requests(principal=cast.alice) == []


def test_who_was_removed_does_not_come_back_by_a_rule(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    visitor = browser()
    arrive(visitor, acme_provider, Person("ana"))
    principal = visitor.principal("acme")
    assert principal is not None
    remove_member(principal=cast.alice, membership_id=principal.membership_id, now=timezone.now())
    assert not visitor.inside("acme")
    assert arrive(visitor, acme_provider, Person("ana")) == 403
    (waiting,) = join_requests.list_join_requests(principal=cast.alice)
    assert waiting.reason == JoinReason.RETURNING


def test_a_person_becomes_one_person_however_often_they_arrive(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    before = User.objects.count()
    for name in ("Ana", "Ana Ng", ""):
        arrive(browser(), acme_provider, Person("ana", {"name": name, "email": f"{name[:3]}@acme.example"}))
    assert User.objects.count() == before + 1
    assert User.objects.latest("created_at").name == "Ana Ng", "an empty name replaces none"
    with within(cast.acme):
        assert Membership.objects.for_organization(cast.acme).count() == 3


# --- Google without an address ------------------------------------------------------------------------------------------


def test_google_finds_the_organization_of_the_persons_domain(google: Issuer, browser: NewBrowser) -> None:
    google.person = Person("ana", {"hd": "acme.example", "email": "ana@acme.example"})
    visitor = browser()
    assert visitor.sign_in(GOOGLE)["Location"] == "/"  # type: ignore[index]
    assert visitor.inside("acme")


def test_google_signs_in_people_of_no_organization(cast: Cast, google: Issuer, browser: NewBrowser) -> None:
    google.person = Person("zoe", {"email": "zoe@gmail.example"})
    visitor = browser()
    assert visitor.sign_in(GOOGLE).status_code == 302
    assert not visitor.inside("acme")
    assert not visitor.inside("globex")
    assert visitor.client.get("/").status_code == 200


def test_a_lapsed_domain_admits_nobody_new(cast: Cast, google: Issuer, browser: NewBrowser) -> None:
    from skillport.organizations.models import VerifiedDomain

    google.person = Person("ana", {"hd": "acme.example"})
    ana = browser()
    ana.sign_in(f"{GOOGLE}?organization=acme")
    with within(cast.acme):
        VerifiedDomain.objects.for_organization(cast.acme).update(lapsed_at=timezone.now())
    google.person = Person("ben", {"hd": "acme.example"})
    ben = browser()
    assert ben.sign_in(f"{GOOGLE}?organization=acme").status_code == 403
    assert ana.inside("acme"), "who is a member stays one"


def test_one_organizations_rule_for_anothers_domain_admits_nobody(
    cast: Cast, google: Issuer, browser: NewBrowser
) -> None:
    from skillport.organizations.models import AdmissionRule, SignInConnection

    with within(cast.globex):
        row = SignInConnection.objects.for_organization(cast.globex).get()
        AdmissionRule.objects.create(
            organization=cast.globex, connection=row, by=By.DOMAIN, value="acme.example",
            admission=Admission.AUTOMATIC, role=Role.MEMBER,
        )  # fmt: skip
    google.person = Person("ana", {"hd": "acme.example"})
    visitor = browser()
    assert visitor.sign_in(f"{GOOGLE}?organization=globex").status_code == 403
    assert not visitor.inside("globex")


# --- invitations --------------------------------------------------------------------------------------------------------


def code_for(cast: Cast, email: str, role: Role = Role.EDITOR) -> str:
    sent = invitations.create_invitation(principal=cast.alice, email=email, role=role, now=timezone.now())
    return sent.link.partition("#")[2]


def test_an_invitation_is_bound_to_whoever_accepts_it_by_signing_in(
    cast: Cast, google: Issuer, browser: NewBrowser
) -> None:
    code = code_for(cast, "consultant@elsewhere.example")
    visitor = browser()
    assert visitor.client.post("/accounts/invitation", {"code": code}).status_code == 302
    page = visitor.client.get("/accounts/invitation").content.decode()
    assert "Alice invites you to Acme" in page
    google.person = Person("consultant", {"email": "another-address@gmail.example"})
    visitor.sign_in(f"{GOOGLE}?organization=acme")
    principal = visitor.principal("acme")
    assert principal is not None
    assert principal.role is Role.EDITOR
    second = browser()
    assert second.client.post("/accounts/invitation", {"code": code}).status_code == 410


def test_an_invitation_can_be_accepted_by_who_is_signed_in_already(
    cast: Cast, google: Issuer, browser: NewBrowser
) -> None:
    google.person = Person("zoe", {"email": "zoe@gmail.example", "name": "Zoe"})
    visitor = browser()
    visitor.sign_in(GOOGLE)
    visitor.client.post("/accounts/invitation", {"code": code_for(cast, "zoe@gmail.example")})
    assert "Accept as Zoe" in visitor.client.get("/accounts/invitation").content.decode()
    assert visitor.client.get("/accounts/invitation/accept").status_code == 405
    assert visitor.client.post("/accounts/invitation/accept")["Location"] == "/acme/"
    assert visitor.inside("acme"), "the session in which it was accepted counts"


def test_a_member_who_follows_an_invitation_comes_in_as_the_member_they_are(
    cast: Cast, google: Issuer, browser: NewBrowser
) -> None:
    google.person = Person("consultant", {})
    first, again = browser(), browser()
    for visitor, role in ((first, Role.EDITOR), (again, Role.ADMIN)):
        visitor.client.post(
            "/accounts/invitation", {"code": code_for(cast, "consultant@elsewhere.example", role)}
        )
        visitor.sign_in(f"{GOOGLE}?organization=acme")
    known, still = first.principal("acme"), again.principal("acme")
    assert known is not None
    assert still is not None
    assert (still.membership_id, still.role) == (known.membership_id, Role.EDITOR)


def test_a_session_of_another_organizations_provider_accepts_nothing(
    cast: Cast, openid: OpenIDServer, browser: NewBrowser
) -> None:
    """Globex's provider may make anybody; that must not become a member of Acme."""
    provider = own_provider(cast.charlie, openid.issuer("globex"))
    admit(cast.charlie, provider.connection_id)
    visitor = browser()
    arrive(visitor, provider, Person("mallory", {"email": "consultant@elsewhere.example"}))
    visitor.client.post("/accounts/invitation", {"code": code_for(cast, "consultant@elsewhere.example")})
    assert visitor.client.post("/accounts/invitation/accept").status_code == 409
    assert not visitor.inside("acme")
    provider.issuer.person = Person("other", {})
    again = browser()
    again.client.cookies = visitor.client.cookies
    again.sign_in(provider.way)
    assert not again.inside("acme"), "nor by signing in there once more"


def test_an_invitation_to_one_organization_opens_no_other(
    cast: Cast, google: Issuer, browser: NewBrowser
) -> None:
    visitor = browser()
    visitor.client.post("/accounts/invitation", {"code": code_for(cast, "zoe@gmail.example")})
    google.person = Person("zoe", {})
    assert visitor.sign_in(f"{GOOGLE}?organization=globex").status_code == 403
    assert not visitor.inside("globex")
    assert not visitor.inside("acme")


def test_a_domain_of_ones_own_is_needed_for_a_rule_by_domain(cast: Cast, google: Issuer) -> None:
    from skillport.organizations.models import SignInConnection
    from skillport.organizations.services.admission_rules import AdmissionRefused

    with within(cast.globex):
        row = SignInConnection.objects.for_organization(cast.globex).get()
    with pytest.raises(AdmissionRefused, match="Verify this domain first"):
        admit(cast.charlie, row.pk, by=By.DOMAIN, value="acme.example")
    hold_domain(cast.charlie, "globex.example")
    with pytest.raises(AdmissionRefused, match="an owner"):
        admit(cast.charlie, row.pk, by=By.DOMAIN, value="globex.example", role=Role.OWNER)
