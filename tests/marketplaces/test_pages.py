"""The catalog as a page, and founding an organization."""

import pytest
from django.conf import settings

from marketplaces.models import AccessRule
from marketplaces.services.worker import Worker
from skillport.accounts.models import Method, User
from skillport.organizations.models import Kind, Membership, Organization, SignInConnection
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.publishing import hide, publish
from tests.repositories import NewRepository, marketplace, plugin, skill
from tests.signing_in import browser, browser_of, cookie_of


@pytest.fixture
def published(live: object, new_repository: NewRepository, worker: Worker) -> Cast:
    cast = make_cast()
    skills = {f"s{number:02}": skill(f"s{number:02}", f"<b>Task</b> {number}") for number in range(55)}
    files = {".claude-plugin/marketplace.json": marketplace("tools"), **plugin("tools", **skills)}
    publish(cast.alice, new_repository(files), worker)
    return cast


def test_a_member_finds_skills_a_page_at_a_time_and_by_word(published: Cast) -> None:
    bob = browser_of(published.bob)
    first = bob.get("/acme/").content.decode()
    assert first.count("<h2>s") == 50
    assert "&lt;b&gt;Task&lt;/b&gt; 7" in first
    assert f"{settings.SITE_URL}/acme/mcp" in first
    following = first.partition('class="btn sm" href="')[2].partition('"')[0]
    assert bob.get(f"/acme/{following}").content.decode().count("<h2>s") == 5
    assert bob.get("/acme/?q=task+54").content.decode().count("<h2>s") == 1
    nothing = bob.get('/acme/?q=<script>"').content.decode()
    assert "Nothing for “&lt;script&gt;&quot;”" in nothing
    assert bob.get("/acme/?after=junk").status_code == 400


def test_a_hidden_skill_is_not_in_the_catalog(published: Cast) -> None:
    hide(published.alice, "s54", published.bob)
    assert "s54" not in browser_of(published.bob).get("/acme/?q=task+54").content.decode().replace(
        "task+54", ""
    )
    assert "<h2>s54" in browser_of(published.alice).get("/acme/?q=task+54").content.decode()


def test_an_empty_catalog_names_whom_to_ask_and_counts_nothing(cast: Cast) -> None:
    assert (
        "There is nothing here for you yet. Ask Alice." in browser_of(cast.bob).get("/acme/").content.decode()
    )


# --- founding ---------------------------------------------------------------------------------------------------------


def test_who_founds_an_organization_owns_it_and_is_inside_at_once(cast: Cast) -> None:
    bob = browser_of(cast.bob)
    answer = bob.post("/new", {"name": "Initech", "slug": "initech"})
    assert (answer.status_code, answer["Location"]) == (302, "/initech/")
    assert "Initech is there, and you own it." in bob.get("/initech/").content.decode()
    assert bob.get("/initech/settings/danger/delete/").status_code == 200
    made = Organization.objects.get(slug="initech")
    with within(made):
        membership = Membership.objects.for_organization(made).get()
    assert (membership.role, membership.user_id) == ("owner", cast.bob.user_id)
    assert browser(cookie_of(cast.bob.user_id)).get("/initech/").status_code == 200, (
        "and after the next sign-in"
    )


def test_a_new_organization_begins_with_a_rule_that_lets_everyone_read(cast: Cast) -> None:
    browser_of(cast.bob).post("/new", {"name": "Initech", "slug": "initech"})
    made = Organization.objects.get(slug="initech")
    with within(made):
        assert AccessRule.objects.for_organization(made).count() == 1


def test_who_came_through_google_can_come_back_that_way(cast: Cast) -> None:
    cookie = cookie_of(cast.bob.user_id, method=Method.GOOGLE)
    browser(cookie).post("/new", {"name": "Initech", "slug": "initech"})
    assert browser(cookie).get("/initech/").status_code == 200
    assert browser(cookie_of(cast.bob.user_id, method=Method.GOOGLE)).get("/initech/").status_code == 200


@pytest.mark.parametrize("slug", ["acme", "new", "A", "a--b", "settings", ""])
def test_an_address_that_cannot_be_had_is_refused_with_free_ones(cast: Cast, slug: str) -> None:
    answer = browser_of(cast.bob).post("/new", {"name": "Söhne & Co", "slug": slug})
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert "<title>Error: " in shown
    assert "Free are: " in shown
    assert Organization.objects.count() == 2


def test_who_came_through_one_organizations_own_provider_founds_no_other(cast: Cast) -> None:
    with within(cast.acme):
        connection = SignInConnection.objects.create(
            organization=cast.acme, kind=Kind.OIDC, name="Okta", issuer="https://okta.example", client_id="x"
        )
    bob = browser(cookie_of(cast.bob.user_id, method=Method.CONNECTION, connection_id=connection.pk))
    assert bob.get("/acme/").status_code == 200
    for answer in (bob.get("/new"), bob.post("/new", {"name": "Initech", "slug": "initech"})):
        assert answer.status_code == 403
        assert "Sign in with Google or with a local account" in answer.content.decode()
    assert Organization.objects.count() == 2


def test_the_operator_may_keep_founding_to_some(cast: Cast, settings: object) -> None:
    settings.FOUNDERS = "operators"  # type: ignore[attr-defined]
    bob = browser_of(cast.bob)
    assert "/new" not in bob.get("/").content.decode()
    assert bob.post("/new", {"name": "Initech", "slug": "initech"}).status_code == 403
    User.objects.filter(pk=cast.bob.user_id).update(is_operator=True)
    assert "/new" in bob.get("/").content.decode()
    assert bob.post("/new", {"name": "Initech", "slug": "initech"}).status_code == 302


def test_who_is_not_signed_in_signs_in_first(db: None) -> None:
    assert browser().get("/new")["Location"] == "/accounts/sign-in?next=/new"
