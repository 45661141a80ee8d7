"""Connections, admission rules and domains over REST, against a real provider and a real name server."""

from typing import Any

import httpx2
import pytest
from django.conf import settings

from skillport.organizations.models import SignInConnection
from skillport.organizations.services.connections import LONGEST, accept_google
from skillport.principal import Scope
from skillport.scoping import within
from tests.cast import Cast, key_of
from tests.connector.rest import call, code_of
from tests.name_server import NameServer
from tests.openid import Issuer, OpenIDServer

SECRET = "provider-secret-canary"


@pytest.fixture
def okta(openid: OpenIDServer) -> Issuer:
    issuer = openid.issuer("okta")
    issuer.clients["skillport"] = SECRET
    return issuer


def given(provider: Issuer, **more: Any) -> dict[str, Any]:
    return {
        "kind": "oidc", "name": "Okta", "issuer": provider.url, "client_id": "skillport", "client_secret": SECRET,
        "groups_claim": "groups", **more,
    }  # fmt: skip


def test_a_connection_is_checked_added_changed_switched_and_deleted_and_never_shows_its_secret(
    http: httpx2.Client, people: Cast, okta: Issuer
) -> None:
    key = key_of(people.alice)
    checked = call(http, key, "POST", "connections/check", given(okta))
    assert checked.json()["token_endpoint"] == f"{okta.url}/token"
    assert call(http, key, "GET", "connections").json() == {"connections": []}, "a check saves nothing"
    made = call(http, key, "POST", "connections", given(okta))
    assert made.status_code == 201
    connection = f"connections/{made.json()['id']}"
    shown = call(http, key, "GET", connection)
    told = shown.json()
    assert (told["name"], told["issuer"], told["has_secret"], told["rules"]) == ("Okta", okta.url, True, [])
    assert told["redirect_url"] == f"{settings.SITE_URL}/accounts/oidc/{told['id']}/callback"
    assert SECRET not in shown.text
    assert call(http, key, "GET", "connections").json()["connections"] == [told]
    kept = given(okta, name="Okta of Acme", client_secret="")
    assert call(http, key, "PUT", connection, kept).status_code == 204
    body = {**kept, "connection_id": told["id"]}
    assert call(http, key, "POST", "connections/check", body).status_code == 200, "with the stored secret"
    assert call(http, key, "GET", connection).json()["name"] == "Okta of Acme"
    with within(people.acme):
        row = SignInConnection.objects.for_organization(people.acme).get()
        assert row.client_secret.open() == SECRET
    accept_google(people.acme)
    assert call(http, key, "PATCH", connection, {"enabled": False}).status_code == 204
    assert call(http, key, "GET", connection).json()["enabled"] is False
    assert call(http, key, "DELETE", connection).status_code == 204
    assert code_of(call(http, key, "GET", connection)) == (404, "not_found")


def test_what_is_wrong_with_a_connection_is_said(http: httpx2.Client, people: Cast, okta: Issuer) -> None:
    key = key_of(people.alice)
    wrong = [
        ({}, (400, "invalid")),
        ({"kind": "myspace"}, (400, "invalid")),
        ({"kind": "oidc"}, (422, "connection_refused")),
        *(
            (given(okta, **{setting: "x" * (longest + 1)}), (400, "invalid"))
            for setting, longest in LONGEST.items()
        ),
        (given(okta, client_secret="wrong"), (422, "provider_refused")),
        (given(okta, issuer=f"{okta.url}/elsewhere"), (422, "provider_refused")),
        (given(okta, issuer="http://169.254.169.254/latest"), (422, "address_invalid")),
        (given(okta, issuer="https://169.254.169.254/latest"), (502, "host_unreachable")),
        (given(okta, groups_claim="a b"), (422, "connection_refused")),
    ]
    for body, told in wrong:
        for path in ("connections/check", "connections"):
            answer = call(http, key, "POST", path, body)
            assert code_of(answer) == told, body
            assert SECRET not in answer.text
    assert call(http, key, "GET", "connections").json() == {"connections": []}


def test_a_stored_secret_goes_to_no_other_issuer(
    http: httpx2.Client, people: Cast, okta: Issuer, openid: OpenIDServer
) -> None:
    key = key_of(people.alice)
    made = call(http, key, "POST", "connections", given(okta)).json()["id"]
    eve = openid.issuer("eve")
    body = given(eve, client_secret="", connection_id=made)
    assert code_of(call(http, key, "POST", "connections/check", body)) == (422, "connection_refused")


def test_rules_are_added_and_deleted(http: httpx2.Client, people: Cast, okta: Issuer) -> None:
    key = key_of(people.alice)
    connection = f"connections/{call(http, key, 'POST', 'connections', given(okta)).json()['id']}"
    rule = {"by": "group", "value": "legal", "admission": "approval", "role": "member"}
    made = call(http, key, "POST", f"{connection}/rules", rule)
    assert made.status_code == 201
    assert call(http, key, "GET", connection).json()["rules"] == [{"id": made.json()["id"], **rule}]
    assert code_of(call(http, key, "POST", f"{connection}/rules", rule)) == (422, "admission_refused")
    for body, told in [
        ({**rule, "role": "owner"}, (422, "admission_refused")),
        ({**rule, "by": "domain", "value": "acme.example"}, (422, "admission_refused")),
        ({**rule, "by": "moon"}, (400, "invalid")),
        ({**rule, "value": "x" * 256}, (400, "invalid")),
    ]:
        assert code_of(call(http, key, "POST", f"{connection}/rules", body)) == told
    assert call(http, key, "DELETE", f"admission-rules/{made.json()['id']}").status_code == 204
    assert call(http, key, "GET", connection).json()["rules"] == []


def test_a_group_is_filled_by_a_connection(http: httpx2.Client, people: Cast, okta: Issuer) -> None:
    key = key_of(people.alice)
    connection = call(http, key, "POST", "connections", given(okta)).json()["id"]
    body = {"name": "Legal", "connection_id": connection, "claim_value": "legal"}
    made = call(http, key, "POST", "groups", body).json()
    assert made["filled_by"] == {"connection_id": connection, "connection": "Okta", "claim_value": "legal"}
    inside = f"groups/{made['id']}/members/{people.bob.membership_id}"
    for method in ("PUT", "DELETE"):
        assert code_of(call(http, key, method, inside)) == (409, "group_fed")


def test_a_domain_is_claimed_verified_and_released(
    http: httpx2.Client, people: Cast, name_server: NameServer
) -> None:
    key = key_of(people.alice)
    made = call(http, key, "POST", "domains", {"domain": "Acme.example"})
    assert (made.status_code, made.json()["state"], made.json()["domain"]) == (
        201, "waiting", "acme.example"
    )  # fmt: skip
    domain = f"domains/{made.json()['id']}"
    assert call(http, key, "GET", "domains").json()["domains"] == [made.json()]
    missing = call(http, key, "POST", f"{domain}/verify")
    assert code_of(missing) == (422, "domain_record_missing")
    assert made.json()["record_text"] in missing.json()["error"]["message"]
    name_server.broken.add("acme.example")
    assert code_of(call(http, key, "POST", f"{domain}/verify")) == (502, "dns_unanswered")
    name_server.texts[made.json()["record_names"][0]] = [made.json()["record_text"]]
    assert call(http, key, "POST", f"{domain}/verify").json()["state"] == "verified"
    assert call(http, key, "GET", domain).json()["state"] == "verified"
    theirs = call(
        http, key_of(people.charlie), "POST", "domains", {"domain": "acme.example"}, "globex"
    ).json()
    name_server.texts["_skillport.acme.example"].append(theirs["record_text"])
    held = call(http, key_of(people.charlie), "POST", f"domains/{theirs['id']}/verify", None, "globex")
    assert code_of(held) == (409, "domain_held")
    assert call(http, key, "DELETE", domain).status_code == 204
    assert call(http, key, "GET", "domains").json() == {"domains": []}


def test_what_is_no_domain_is_refused(http: httpx2.Client, people: Cast) -> None:
    for domain in ("gmail.com", "acme", "192.0.2.1", "x@acme.example"):
        told = call(http, key_of(people.alice), "POST", "domains", {"domain": domain})
        assert code_of(told) == (422, "domain_refused"), domain


def test_only_owners_keys_with_the_scope_reach_sign_in(http: httpx2.Client, people: Cast) -> None:
    without = key_of(people.alice, Scope.MEMBERS_READ, Scope.MEMBERS_MANAGE)
    for key in (without, key_of(people.bob)):
        for method, path, body in [
            ("GET", "connections", None),
            ("POST", "connections", {"kind": "google"}),
            ("POST", "connections/check", {"kind": "google"}),
            ("GET", "domains", None),
            ("POST", "domains", {"domain": "acme.example"}),
        ]:
            assert code_of(call(http, key, method, path, body)) == (403, "not_allowed"), path
    assert call(http, key_of(people.alice, Scope.SIGN_IN_MANAGE), "GET", "domains").status_code == 200
