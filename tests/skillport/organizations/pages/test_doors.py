"""Who gets through which page, at all of them: by role, by step-up, and by form."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from marketplaces.models import Snapshot
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.external.hosts import bind_credential
from skillport.accounts.models import User
from skillport.organizations.models import JoinReason, Kind, Membership, SignInConnection, VerifiedDomain
from skillport.organizations.services.groups import create_group
from skillport.organizations.services.invitations import create_invitation
from skillport.organizations.services.join_requests import open_join_request
from skillport.principal import Role
from skillport.scoping import within
from tests.isolation.tables import PAGES
from tests.signing_in import browser, cookie_of
from tests.skillport.organizations.moments import NOON
from tests.skillport.organizations.pages.conftest import Pages, People

EVERYBODY = frozenset(Role)
READERS = frozenset({Role.OWNER, Role.ADMIN, Role.AUDITOR})
MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
OWNERS = frozenset({Role.OWNER})

# Every page that is read, and by whom. `settings/` itself only sends on.
READ = {
    "": EVERYBODY,
    "settings/keys/": EVERYBODY,
    "settings/keys/new/": EVERYBODY,
    "settings/danger/": EVERYBODY,
    "settings/danger/leave/": EVERYBODY,
    "settings/marketplaces/": MANAGERS,
    "settings/marketplaces/bind/": MANAGERS,
    "settings/marketplaces/{marketplace}/": MANAGERS,
    "settings/marketplaces/{marketplace}/credential/": MANAGERS,
    "settings/marketplaces/{marketplace}/edit/": MANAGERS,
    "settings/marketplaces/{marketplace}/pin/": MANAGERS,
    "settings/marketplaces/{marketplace}/delete/": MANAGERS,
    "settings/marketplaces/{marketplace}/moved/": MANAGERS,
    "settings/marketplaces/{marketplace}/webhook/": MANAGERS,
    "settings/marketplaces/{marketplace}/external/": MANAGERS,
    "settings/marketplaces/{marketplace}/external/hosts/": MANAGERS,
    "settings/marketplaces/{marketplace}/external/credential/": MANAGERS,
    "settings/marketplaces/{marketplace}/syncs/{run}/": MANAGERS,
    "settings/marketplaces/{marketplace}/snapshots/": MANAGERS,
    "settings/marketplaces/{marketplace}/snapshots/{older}/to/{newer}/": MANAGERS,
    "settings/members/": READERS,
    "settings/members/{membership}/": READERS,
    "settings/members/{membership}/keys/": READERS,
    "settings/members/{membership}/remove/": MANAGERS,
    "settings/groups/": READERS,
    "settings/groups/{group}/": READERS,
    "settings/groups/new/": MANAGERS,
    "settings/groups/{group}/rename/": MANAGERS,
    "settings/groups/{group}/delete/": MANAGERS,
    "settings/invitations/": READERS,
    "settings/invitations/new/": MANAGERS,
    "settings/requests/": READERS,
    "settings/requests/{request}/": MANAGERS,
    "settings/sign-in/": OWNERS,
    "settings/sign-in/add/oidc/": OWNERS,
    "settings/sign-in/domains/": OWNERS,
    "settings/sign-in/domains/add/": OWNERS,
    "settings/sign-in/domains/{domain}/": OWNERS,
    "settings/sign-in/domains/{domain}/release/": OWNERS,
    "settings/sign-in/{connection}/": OWNERS,
    "settings/sign-in/{connection}/edit/": OWNERS,
    "settings/sign-in/{connection}/delete/": OWNERS,
    "settings/sign-in/{connection}/rules/add/": OWNERS,
    "settings/general/": OWNERS,
    "settings/danger/delete/": OWNERS,
}
# Addresses that only take forms, and from whom.
ONLY_POSTED = {
    "settings/marketplaces/check/": MANAGERS,
    "settings/marketplaces/{marketplace}/sync/": MANAGERS,
    "settings/marketplaces/{marketplace}/pause/": MANAGERS,
    "settings/marketplaces/{marketplace}/resume/": MANAGERS,
    "settings/marketplaces/{marketplace}/pin/{number}/": MANAGERS,
    "settings/marketplaces/{marketplace}/unpin/": MANAGERS,
    "settings/marketplaces/{marketplace}/keep/": MANAGERS,
    "settings/marketplaces/{marketplace}/webhook/register/": MANAGERS,
    "settings/marketplaces/{marketplace}/external/credentials/{credential}/remove/": MANAGERS,
    "settings/groups/{group}/members/{membership}/remove/": MANAGERS,
    "settings/invitations/{invitation}/resend/": MANAGERS,
    "settings/invitations/{invitation}/revoke/": MANAGERS,
    "settings/requests/{request}/refuse/": MANAGERS,
    "settings/sign-in/local-accounts/": OWNERS,
    "settings/sign-in/domains/{domain}/verify/": OWNERS,
    "settings/sign-in/{connection}/check/": OWNERS,
    "settings/sign-in/{connection}/enable/": OWNERS,
    "settings/sign-in/{connection}/rules/{rule}/delete/": OWNERS,
    "settings/danger/keep/": OWNERS,
}
# What is read by some and changed by fewer on the same page.
POSTED_BY = {"settings/members/{membership}/": MANAGERS, "settings/groups/{group}/": MANAGERS}
# Pages whose form would be refused without a recent sign-in: they ask for it before anybody types.
CONFIRMED = {
    "settings/marketplaces/bind/",
    "settings/marketplaces/{marketplace}/credential/",
    "settings/marketplaces/{marketplace}/edit/",
    "settings/marketplaces/{marketplace}/pin/",
    "settings/marketplaces/{marketplace}/delete/",
    "settings/marketplaces/{marketplace}/moved/",
    "settings/marketplaces/{marketplace}/webhook/",
    "settings/marketplaces/{marketplace}/external/hosts/",
    "settings/marketplaces/{marketplace}/external/credential/",
    "settings/keys/new/",
    "settings/sign-in/add/oidc/",
    "settings/sign-in/domains/add/",
    "settings/sign-in/{connection}/edit/",
    "settings/sign-in/{connection}/rules/add/",
    "settings/danger/delete/",
}
# Buttons that are refused without it.
CONFIRMED_BUTTONS = {
    "settings/marketplaces/{marketplace}/webhook/register/",
    "settings/marketplaces/{marketplace}/pause/",
    "settings/marketplaces/{marketplace}/resume/",
    "settings/marketplaces/{marketplace}/pin/{number}/",
    "settings/marketplaces/{marketplace}/unpin/",
    "settings/marketplaces/{marketplace}/keep/",
    "settings/marketplaces/{marketplace}/external/credentials/{credential}/remove/",
    "settings/sign-in/local-accounts/",
    "settings/sign-in/domains/{domain}/release/",
    "settings/sign-in/{connection}/check/",
    "settings/sign-in/{connection}/enable/",
    "settings/sign-in/{connection}/delete/",
    "settings/sign-in/{connection}/rules/{rule}/delete/",
}


# Open to everybody for their own keys, and tested with them in tests/connector/test_pages.py.
OF_KEYS = {"settings/keys/{key}/revoke/", "settings/members/{membership}/keys/{key}/revoke/"}


def test_every_page_is_in_one_of_these_tables() -> None:
    pages = {
        re.sub(r"<(?:uuid|int):(\w+?)(?:_id)?>", r"{\1}", page).replace("<slug:kind>", "oidc")
        for page in PAGES
    }
    assert pages == READ.keys() | ONLY_POSTED.keys() | OF_KEYS | {"settings/"}
    assert READ.keys() & ONLY_POSTED.keys() == set()
    assert READ.keys() >= CONFIRMED


@pytest.fixture
def ids(people: People) -> dict[str, str]:
    """One of everything that an address can name."""
    alice = people[Role.OWNER]
    with within(people.acme):
        connection = SignInConnection.objects.create(
            organization=people.acme,
            kind=Kind.OIDC,
            name="Okta",
            issuer="https://okta.example",
            client_id="x",
        )
        domain = VerifiedDomain.objects.create(organization=people.acme, domain="acme.example", challenge="x")
    waiting = open_join_request(
        organization=people.acme, user=User.objects.create(name="Ana"), connection=connection,
        reason=JoinReason.APPROVAL, role=Role.MEMBER,
    )  # fmt: skip
    invitation = create_invitation(principal=alice, email="new@example.org", role=Role.MEMBER, now=NOON)
    bound = bind_marketplace(principal=alice, slug="skills", url="https://git.example/acme/skills.git")
    with within(people.acme):
        for number in (1, 2):
            Snapshot.objects.create(
                organization=people.acme, marketplace_id=bound.marketplace_id, number=number, commit="0" * 40,
                committed_at=NOON, plugin_count=0, skill_count=0,
            )  # fmt: skip
    credential = bind_credential(
        principal=alice, marketplace_id=bound.marketplace_id, host="git.example", credential_secret="x"
    )
    named = {
        "older": 1,
        "newer": 2,
        "credential": credential.id,
        "marketplace": bound.marketplace_id,
        "run": bound.sync_run_id,
        "number": 1,
        "membership": people[Role.MEMBER].membership_id,
        "group": create_group(principal=alice, name="Legal").id,
        "invitation": invitation.invitation.id,
        "request": waiting.pk,
        "connection": connection.pk,
        "domain": domain.pk,
        "rule": uuid4(),
    }
    return {name: str(value) for name, value in named.items()}


@pytest.mark.parametrize("role", Role)
def test_a_page_is_read_by_the_roles_that_it_is_for(
    role: Role, pages: Callable[[Role], Pages], ids: dict[str, str]
) -> None:
    inside = pages(role)
    expected = {page: 200 if role in allowed else 403 for page, allowed in READ.items()}
    assert {page: inside.get(page.format(**ids)).status_code for page in READ} == expected


@pytest.mark.parametrize("role", Role)
def test_a_form_is_refused_to_the_roles_that_it_is_not_for(
    role: Role, pages: Callable[[Role], Pages], ids: dict[str, str]
) -> None:
    inside = pages(role)
    forms = {**READ, **ONLY_POSTED, **POSTED_BY}
    for page, allowed in forms.items():
        if role not in allowed:
            status = inside.post(page.format(**ids)).status_code
            assert status == 403 or (status == 405 and page in READ), page


def test_an_address_that_only_takes_forms_shows_nothing(alice: Pages, ids: dict[str, str]) -> None:
    assert {alice.get(page.format(**ids)).status_code for page in ONLY_POSTED} == {405}


def test_an_id_of_nothing_is_not_there(alice: Pages, ids: dict[str, str]) -> None:
    nothing = dict.fromkeys(ids, str(uuid4()))
    for page in [*READ, *ONLY_POSTED]:
        if "{" in page:
            asked = alice.get if page in READ else alice.post
            assert asked(page.format(**nothing)).status_code == 404, page


@pytest.fixture
def tired_alice(people: People) -> Pages:
    """Alice, who signed in eleven minutes ago."""
    with within(people.acme):
        began_at = timezone.now() - timedelta(days=1)
        Membership.objects.for_organization(people.acme).update(began_at=began_at)
    return Pages(browser(cookie_of(people[Role.OWNER].user_id, ago=timedelta(minutes=11))), "/acme/")


def test_what_needs_a_recent_sign_in_asks_for_it_before_anybody_types(
    tired_alice: Pages, ids: dict[str, str]
) -> None:
    for page in READ:
        answer = tired_alice.get(page.format(**ids))
        if page in CONFIRMED:
            assert answer.status_code == 302, page
            assert answer["Location"].startswith("/accounts/confirm?next=%2Facme%2F"), page
        else:
            assert answer.status_code == 200, page
    for page in CONFIRMED | CONFIRMED_BUTTONS:
        answer = tired_alice.post(page.format(**ids))
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/accounts/confirm?next="), page


def test_making_an_owner_needs_a_recent_sign_in(tired_alice: Pages, ids: dict[str, str]) -> None:
    page = f"settings/members/{ids['membership']}/"
    answer = tired_alice.post(page, role="owner")
    assert answer["Location"].startswith("/accounts/confirm?next=")
    assert "Bob is now editor." in tired_alice.told_after(page, role="editor")


def test_a_form_of_another_site_changes_nothing(people: People, ids: dict[str, str]) -> None:
    for page in [*READ, *ONLY_POSTED]:
        careful = browser(cookie_of(people[Role.OWNER].user_id), enforce_csrf_checks=True)
        answer = careful.post(f"/acme/{page.format(**ids)}", {"name": "Theirs"})
        assert answer.status_code == 403, page
        assert "came from another site" in answer.content.decode()


def test_who_is_not_signed_in_comes_back_to_the_page_afterwards(people: People) -> None:
    nobody = browser()
    answer = nobody.get("/acme/settings/members/?x=1")
    assert answer["Location"] == "/acme/sign-in?next=%2Facme%2Fsettings%2Fmembers%2F%3Fx%3D1"
    assert nobody.post("/acme/settings/general/")["Location"] == "/acme/sign-in"
