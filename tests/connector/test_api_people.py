"""Members, groups, invitations and requests to join over REST, on the real server."""

from typing import Any
from uuid import uuid4

import httpx2
from django.conf import settings

from marketplaces.models import Effect
from marketplaces.services import access
from marketplaces.services.access import What, Who
from skillport.accounts.models import User
from skillport.organizations.models import JoinReason
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.join_requests import open_join_request
from skillport.principal import Principal, Role, Scope
from tests.cast import Cast, key_of, principal
from tests.connector.rest import call, code_of


def id_of(who: Principal) -> str:
    return str(who.membership_id)


# --- members ----------------------------------------------------------------------------------------------------------


def test_members_are_listed_changed_and_removed(http: httpx2.Client, people: Cast) -> None:
    key = key_of(people.alice)
    listed = call(http, key, "GET", "members").json()["members"]
    assert [(one["name"], one["role"]) for one in listed] == [("Alice", "owner"), ("Bob", "member")]
    bob = f"members/{id_of(people.bob)}"
    assert call(http, key, "GET", bob).json() == listed[1]
    assert call(http, key, "PATCH", bob, {"role": "editor"}).status_code == 204
    assert call(http, key, "GET", bob).json()["role"] == "editor"
    bobs_key = key_of(people.bob)
    assert call(http, bobs_key, "GET", "skills").status_code == 200
    assert call(http, key, "DELETE", bob).status_code == 204
    assert call(http, bobs_key, "GET", "skills").status_code == 401
    assert code_of(call(http, key, "GET", bob)) == (404, "not_found")
    assert code_of(call(http, key, "DELETE", bob)) == (404, "not_found")


def test_no_key_makes_or_removes_owners(http: httpx2.Client, people: Cast) -> None:
    """Whoever finds a lost key must not take the organization over with it."""
    key, alice, bob = key_of(people.alice), f"members/{id_of(people.alice)}", f"members/{id_of(people.bob)}"
    assert code_of(call(http, key, "PATCH", alice, {"role": "member"})) == (403, "not_allowed")
    assert code_of(call(http, key, "DELETE", alice)) == (403, "not_allowed")
    assert code_of(call(http, key, "PATCH", bob, {"role": "owner"})) == (403, "not_allowed")
    invited = {"email": "new@acme.example", "role": "owner"}
    assert code_of(call(http, key, "POST", "invitations", invited)) == (403, "not_allowed")


def test_an_administrator_does_not_touch_owners(http: httpx2.Client, people: Cast) -> None:
    bob = f"members/{id_of(people.bob)}"
    call(http, key_of(people.alice), "PATCH", bob, {"role": "admin"})
    key = key_of(principal(people.acme, people.bob.user_id))
    for method, body in [("PATCH", {"role": "member"}), ("DELETE", None)]:
        told = call(http, key, method, f"members/{id_of(people.alice)}", body)
        assert code_of(told) == (403, "not_allowed")
    assert code_of(call(http, key, "PATCH", bob, {"role": "owner"})) == (403, "not_allowed")


def test_what_is_no_role_is_refused(http: httpx2.Client, people: Cast) -> None:
    key, bob = key_of(people.alice), f"members/{id_of(people.bob)}"
    wrong: list[Any] = [
        {},
        {"role": "king"},
        {"role": None},
        {"role": ["owner"]},
        [],
        "owner",
        {"role": "a\x00"},
    ]
    for body in wrong:
        assert code_of(call(http, key, "PATCH", bob, body)) == (400, "invalid"), body


def test_each_scope_opens_what_it_names_and_nothing_else(http: httpx2.Client, people: Cast) -> None:
    reads = key_of(people.alice, Scope.MEMBERS_READ)
    manages = key_of(people.alice, Scope.MEMBERS_MANAGE)
    neither = key_of(people.alice, Scope.SKILLS_READ, Scope.SIGN_IN_MANAGE)
    for path in ("members", "groups", "invitations", "join-requests"):
        assert call(http, reads, "GET", path).status_code == 200
        assert code_of(call(http, manages, "GET", path)) == (403, "not_allowed")
        assert code_of(call(http, neither, "GET", path)) == (403, "not_allowed")
    changes = [
        ("POST", "groups", {"name": "Legal"}),
        ("POST", "invitations", {"email": "dora@example.org", "role": "member"}),
        ("PATCH", f"members/{id_of(people.bob)}", {"role": "editor"}),
    ]
    for method, path, body in changes:
        for key in (reads, neither, key_of(people.bob)):
            assert code_of(call(http, key, method, path, body)) == (403, "not_allowed")
        assert call(http, manages, method, path, body).status_code in {201, 204}


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_made_filled_renamed_and_deleted(http: httpx2.Client, people: Cast) -> None:
    key = key_of(people.alice)
    made = call(http, key, "POST", "groups", {"name": "Legal"})
    assert made.status_code == 201
    group = f"groups/{made.json()['id']}"
    assert made.json() == {"id": made.json()["id"], "name": "Legal", "filled_by": None, "size": 0}
    inside = f"{group}/members/{id_of(people.bob)}"
    assert call(http, key, "PUT", inside).status_code == 204
    assert call(http, key, "PUT", inside).status_code == 204
    assert call(http, key, "PATCH", group, {"name": "Law"}).status_code == 204
    shown = call(http, key, "GET", group).json()
    assert (shown["name"], [one["id"] for one in shown["members"]]) == ("Law", [id_of(people.bob)])
    assert call(http, key, "GET", f"members/{id_of(people.bob)}").json()["groups"] == ["Law"]
    assert call(http, key, "GET", "groups").json()["groups"][0]["size"] == 1
    assert call(http, key, "DELETE", inside).status_code == 204
    assert code_of(call(http, key, "DELETE", inside)) == (404, "not_found")
    assert call(http, key, "DELETE", group).status_code == 204
    assert call(http, key, "GET", "groups").json() == {"groups": []}


def test_a_group_that_rules_name_and_names_that_are_taken_are_refused(
    http: httpx2.Client, people: Cast
) -> None:
    key = key_of(people.alice)
    made = call(http, key, "POST", "groups", {"name": "Legal"}).json()["id"]
    assert code_of(call(http, key, "POST", "groups", {"name": "legal"})) == (422, "group_refused")
    access.create_rule(principal=people.alice, who=Who(group_id=made), what=What(), effect=Effect.DENY)
    assert code_of(call(http, key, "DELETE", f"groups/{made}")) == (409, "group_in_use")
    for body in ({}, {"name": ""}, {"name": "x" * 101}, {"name": "X", "claim_value": "x"}):
        assert code_of(call(http, key, "POST", "groups", body)) == (400, "invalid")


def test_nobody_of_another_organization_is_put_into_a_group(http: httpx2.Client, people: Cast) -> None:
    theirs = key_of(people.charlie)
    made = call(http, theirs, "POST", "groups", {"name": "Theirs"}, "globex").json()["id"]
    told = [
        call(http, theirs, "PUT", f"groups/{made}/members/{one}", None, "globex")
        for one in (id_of(people.bob), uuid4())
    ]
    assert code_of(told[0]) == (404, "not_found")
    assert told[0].content == told[1].content


# --- invitations ------------------------------------------------------------------------------------------------------


def test_an_invitation_gives_its_link_once_and_is_sent_again_and_revoked(
    http: httpx2.Client, people: Cast
) -> None:
    key = key_of(people.alice)
    group = call(http, key, "POST", "groups", {"name": "Legal"}).json()["id"]
    body = {"email": "dora@example.org", "role": "editor", "group_ids": [group]}
    sent = call(http, key, "POST", "invitations", body)
    assert sent.status_code == 201
    assert sent.headers["cache-control"].startswith("no-store")
    link, made = sent.json()["link"], sent.json()["invitation"]
    assert link.startswith(f"{settings.SITE_URL}/accounts/invitation#sklp_iv_")
    assert (made["state"], made["role"], made["group_ids"]) == ("open", "editor", [group])
    listed = call(http, key, "GET", "invitations")
    assert listed.json()["invitations"] == [made]
    assert "sklp_iv" not in listed.text
    assert code_of(call(http, key, "POST", "invitations", body)) == (409, "already_invited")
    again = call(http, key, "POST", f"invitations/{made['id']}/resend")
    assert again.status_code == 200
    assert again.json()["link"] != link
    assert call(http, key, "DELETE", f"invitations/{made['id']}").status_code == 204
    assert call(http, key, "GET", "invitations").json()["invitations"][0]["state"] == "revoked"
    for method, path in [
        ("DELETE", f"invitations/{made['id']}"),
        ("POST", f"invitations/{made['id']}/resend"),
    ]:
        assert code_of(call(http, key, method, path)) == (409, "invitation_closed")


def test_what_cannot_be_an_invitation_is_refused(http: httpx2.Client, people: Cast) -> None:
    key, email = key_of(people.alice), "dora@example.org"
    for body, told in [
        ({}, (400, "invalid")),
        ({"email": "dora", "role": "member"}, (422, "invitation_refused")),
        ({"email": email, "role": "boss"}, (400, "invalid")),
        ({"email": email, "role": "member", "group_ids": ["x"]}, (400, "invalid")),
        ({"email": email, "role": "member", "group_ids": [str(uuid4())]}, (404, "not_found")),
        ({"email": "bob@example.org", "role": "member"}, (409, "already_member")),
    ]:
        assert code_of(call(http, key, "POST", "invitations", body)) == told, body


def test_an_administrator_invites_no_owner(http: httpx2.Client, people: Cast) -> None:
    call(http, key_of(people.alice), "PATCH", f"members/{id_of(people.bob)}", {"role": "admin"})
    key = key_of(principal(people.acme, people.bob.user_id))
    told = call(http, key, "POST", "invitations", {"email": "dora@example.org", "role": "owner"})
    assert code_of(told) == (403, "not_allowed")


# --- requests to join -------------------------------------------------------------------------------------------------


def test_requests_to_join_are_approved_and_refused(http: httpx2.Client, people: Cast) -> None:
    google, key = accept_google(people.acme), key_of(people.alice)
    for name in ("Dora", "Eve"):
        open_join_request(
            organization=people.acme, user=User.objects.create(name=name), connection=google,
            reason=JoinReason.APPROVAL, role=Role.MEMBER,
        )  # fmt: skip
    dora, eve = call(http, key, "GET", "join-requests").json()["join_requests"]
    assert (dora["name"], dora["role"], dora["reason"], dora["connection"]) == (
        "Dora", "member", "approval", "Google"
    )  # fmt: skip
    approved = call(http, key, "POST", f"join-requests/{dora['id']}/approve", {"role": "editor"})
    member = call(http, key, "GET", f"members/{approved.json()['member_id']}").json()
    assert (member["name"], member["role"]) == ("Dora", "editor")
    assert call(http, key, "POST", f"join-requests/{eve['id']}/refuse").status_code == 204
    assert call(http, key, "GET", "join-requests").json() == {"join_requests": []}
    for request in (dora, eve):
        for verb in ("approve", "refuse"):
            told = call(http, key, "POST", f"join-requests/{request['id']}/{verb}")
            assert code_of(told) == (404, "not_found")
