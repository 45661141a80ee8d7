"""API keys on pages: made for oneself, shown once, revoked at once."""

import re
from datetime import timedelta

import httpx2
import pytest
from django.test import Client
from django.utils import timezone

from connector.models import ApiKey
from skillport.permissions import scopes_within
from skillport.principal import Principal, Role, Scope
from skillport.scoping import within
from tests.cast import Cast, key_of, make_cast
from tests.signing_in import browser, browser_of, cookie_of

FORM = {"name": "release pipeline", "scopes": ["skills:read", "skills:install"], "days": "30"}


def keys_of(who: Principal) -> list[ApiKey]:
    with within(who.organization):
        rows = ApiKey.objects.for_organization(who.organization).filter(membership_id=who.membership_id)
        return list(rows.filter(revoked_at=None).order_by("created_at"))


def test_a_key_is_shown_once_works_at_once_and_is_revoked_at_once(http: httpx2.Client) -> None:
    cast = make_cast()
    bob = browser_of(cast.bob)
    answer = bob.post("/acme/settings/keys/new/", FORM)
    assert answer.status_code == 200
    found = re.search(r'id="key" value="([^"]+)"', answer.content.decode())
    assert found
    bearer = {"Authorization": f"Bearer {found[1]}"}
    assert http.get("/acme/api/v1/skills", headers=bearer).status_code == 200
    listed = bob.get("/acme/settings/keys/").content.decode()
    assert "release pipeline" in listed
    assert f"…{found[1][-4:]}" in listed
    assert found[1] not in listed
    assert "<form" not in answer.content.decode().partition("<main")[2], "the form is gone"
    (made,) = keys_of(cast.bob)
    assert made.scopes == ["skills:install", "skills:read"]
    assert made.expires_at is not None
    assert timedelta(days=29) < made.expires_at - timezone.now() <= timedelta(days=30)
    assert bob.post(f"/acme/settings/keys/{made.pk}/revoke/").status_code == 302
    assert "This key opens nothing any more." in bob.get("/acme/settings/keys/").content.decode()
    assert http.get("/acme/api/v1/skills", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"name": "x" * 101}, {"days": "0"}, {"days": "366"}, {"scopes": []}, {"scopes": ["all"]}],
)
def test_what_is_wrong_is_said_in_the_form(cast: Cast, wrong: dict[str, object]) -> None:
    answer = browser_of(cast.bob).post("/acme/settings/keys/new/", {**FORM, **wrong})
    assert answer.status_code == 422
    assert "<title>Error: " in answer.content.decode()
    assert keys_of(cast.bob) == []


def test_a_key_is_offered_no_more_than_its_owner_may_do(cast: Cast) -> None:
    offered = re.findall(
        r'name="scopes" value="([^"]+)"',
        browser_of(cast.bob).get("/acme/settings/keys/new/").content.decode(),
    )
    assert set(offered) == set(scopes_within(Role.MEMBER, frozenset(Scope)))
    assert "members:manage" not in offered
    answer = browser_of(cast.bob).post("/acme/settings/keys/new/", {**FORM, "scopes": ["members:manage"]})
    assert answer.status_code == 422


def test_a_new_key_needs_a_recent_sign_in(cast: Cast) -> None:
    with within(cast.acme):
        from skillport.organizations.models import Membership

        Membership.objects.for_organization(cast.acme).update(began_at=timezone.now() - timedelta(days=1))
    bob: Client = browser(cookie_of(cast.bob.user_id, ago=timedelta(minutes=11)))
    assert bob.get("/acme/settings/keys/").status_code == 200
    for answer in (bob.get("/acme/settings/keys/new/"), bob.post("/acme/settings/keys/new/", FORM)):
        assert answer["Location"].startswith("/accounts/confirm?next=")
    assert keys_of(cast.bob) == []


def test_an_owner_sees_and_revokes_the_keys_of_others_and_a_member_does_not(cast: Cast) -> None:
    key_of(cast.bob)
    key_of(cast.alice)
    (bobs,), (alices,) = keys_of(cast.bob), keys_of(cast.alice)
    alice, bob = browser_of(cast.alice), browser_of(cast.bob)
    page = f"/acme/settings/members/{cast.bob.membership_id}/keys/"
    assert f"…{bobs.last_four}" in alice.get(page).content.decode()
    assert bob.get(f"/acme/settings/members/{cast.alice.membership_id}/keys/").status_code == 403
    assert bob.post(f"/acme/settings/keys/{alices.pk}/revoke/").status_code == 404
    assert len(keys_of(cast.alice)) == 1
    assert alice.post(f"{page}{bobs.pk}/revoke/")["Location"] == page
    assert keys_of(cast.bob) == []


def test_a_name_of_a_key_is_text(cast: Cast) -> None:
    bob = browser_of(cast.bob)
    bob.post("/acme/settings/keys/new/", {**FORM, "name": "<script>alert(1)</script>"})
    shown = bob.get("/acme/settings/keys/").content.decode()
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown
