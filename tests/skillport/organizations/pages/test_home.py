"""The first page: what this is, or where one belongs."""

from collections.abc import Callable

from django.utils import timezone

from marketplaces.services.founding import found_organization
from skillport.accounts.models import Method, User
from skillport.organizations.models import JoinReason, Organization
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.join_requests import open_join_request
from skillport.organizations.services.members import end_membership
from skillport.principal import Role
from tests.cast import Cast
from tests.signing_in import browser, browser_of, cookie_of
from tests.skillport.organizations.pages.conftest import Pages, People


def home(cookie: str = "") -> str:
    answer = browser(cookie).get("/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_who_is_not_signed_in_reads_what_this_is(db: None) -> None:
    shown = home()
    assert "/accounts/sign-in" in shown
    assert "&lt;org&gt;/mcp" in shown
    assert "&lt;org&gt;/api/v1/skills" in shown


def test_everybody_finds_their_own_organizations_and_no_other(cast: Cast) -> None:
    bob = home(cookie_of(cast.bob.user_id))
    assert 'href="/acme/"' in bob
    assert "Globex" not in bob
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    assert "You belong to no organization yet." in home(cookie_of(cast.bob.user_id))


def test_an_organization_for_which_this_session_does_not_count_leads_to_its_sign_in(cast: Cast) -> None:
    google = cookie_of(cast.alice.user_id, method=Method.GOOGLE)
    assert 'href="/acme/sign-in"' in home(google)
    accept_google(cast.acme)
    assert 'href="/acme/"' in home(google)


def test_the_switcher_has_the_same_and_marks_where_one_is(people: People, alice: Pages) -> None:
    user = User.objects.get(pk=people[Role.OWNER].user_id)
    found_organization(name="Initech", slug="initech", owner=user)
    other = found_organization(name="Umbrella", slug="umbrella", owner=user)
    Organization.objects.filter(pk=other.pk).update(local_accounts=False)
    shown = Pages(browser_of(people[Role.OWNER]), "/acme/").says()
    assert '<a href="/acme/" aria-current="true">Acme' in shown
    assert '<a href="/initech/">Initech' in shown
    assert '<a href="/umbrella/sign-in">Umbrella' in shown
    assert "Globex" not in shown


def test_who_waits_for_a_decision_is_told_for_whose(cast: Cast) -> None:
    open_join_request(
        organization=cast.globex, user=User.objects.get(pk=cast.bob.user_id), connection=accept_google(cast.globex),
        reason=JoinReason.APPROVAL, role=Role.MEMBER,
    )  # fmt: skip
    shown = home(cookie_of(cast.bob.user_id))
    assert "Waiting for an administrator of <strong>Globex</strong>" in shown
    assert "/globex/" not in shown
    assert "Globex" not in home(cookie_of(cast.alice.user_id))


def test_an_organization_that_is_being_deleted_is_open_to_its_owners_only(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(closing_at=timezone.now())
    assert 'href="/acme/"' in home(cookie_of(cast.alice.user_id))
    bob = home(cookie_of(cast.bob.user_id))
    assert "closed, except for owners" in bob
    assert 'href="/acme/' not in bob
    Organization.objects.filter(pk=cast.acme.pk).update(closed_at=timezone.now())
    assert "Acme" not in home(cookie_of(cast.alice.user_id))


def test_settings_open_at_the_first_page_that_one_may_see(pages: Callable[[Role], Pages]) -> None:
    opened = {role: pages(role).get("settings/")["Location"] for role in Role}
    marketplaces, members, keys = (f"/acme/settings/{page}/" for page in ("marketplaces", "members", "keys"))
    assert opened == {
        Role.OWNER: marketplaces,
        Role.ADMIN: marketplaces,
        Role.AUDITOR: members,
        Role.EDITOR: keys,
        Role.MEMBER: keys,
    }
