"""Marketplaces over REST, against a real git host and a real worker."""

from typing import Any

import httpx2
from django.conf import settings

from marketplaces.services.quotas import set_quota
from skillport.demo.git_host import GitHost
from skillport.principal import Scope, SystemActor
from tests.cast import Cast, key_of
from tests.connector.rest import call, code_of
from tests.repositories import SMALL, NewRepository
from tests.waiting import until


def ended(http: httpx2.Client, key: str, marketplace_id: str, sync_id: int) -> dict[str, Any]:
    """Wait for the end of a sync, and give it with its findings."""

    def look() -> dict[str, Any]:
        told: dict[str, Any] = call(http, key, "GET", f"marketplaces/{marketplace_id}/syncs/{sync_id}").json()
        return told if told["sync"]["ended_at"] else {}

    return until(look)


def test_a_repository_is_checked_bound_synced_and_never_shows_its_secrets(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = (
        key_of(people.alice),
        new_repository({**SMALL, "loose/SKILL.md": "---\nname: loose\n---\n"}),
    )
    given = {"url": repository.url, "credential": repository.token}
    checked = call(http, key, "POST", "marketplaces/check", given)
    assert (checked.status_code, checked.json()["passed"]) == (200, True)
    assert call(http, key, "GET", "marketplaces").json() == {"marketplaces": []}, "a check saves nothing"
    made = call(http, key, "POST", "marketplaces", given)
    assert made.status_code == 201
    bound = made.json()
    assert bound["webhook_url"] == f"{settings.SITE_URL}/hooks/{bound['id']}"
    told = ended(http, key, bound["id"], bound["sync_id"])
    assert told["sync"]["state"] == "succeeded"
    assert [one["path"] for one in told["findings"] if one["severity"] == "warning"] == ["loose/SKILL.md"]
    assert told["sync"]["findings"] == len(told["findings"])
    # The time of the next look is written right after a sync has ended.
    until(lambda: call(http, key, "GET", f"marketplaces/{bound['id']}").json()["next_poll_at"])
    shown = call(http, key, "GET", f"marketplaces/{bound['id']}")
    assert shown.json()["served"]["skills"] == 2
    assert shown.json()["last_run"] == told["sync"]
    assert shown.json()["credential_last_four"] == repository.token[-4:]
    assert call(http, key, "GET", "marketplaces").json()["marketplaces"] == [shown.json()]
    assert repository.token not in shown.text
    assert bound["webhook_secret"] not in shown.text


def test_storage_says_what_there_is_and_what_there_may_be(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    given = {"url": repository.url, "credential": repository.token}
    bound = call(http, key, "POST", "marketplaces", given).json()
    ended(http, key, bound["id"], bound["sync_id"])
    told = call(http, key, "GET", "storage").json()
    assert told.pop("stored_bytes") > 100
    assert told == {
        "most_stored_bytes": 10_240 * 2**20, "marketplaces": 1, "most_marketplaces": 100, "snapshots": 1, "skills": 2,
    }  # fmt: skip
    assert code_of(call(http, key_of(people.bob), "GET", "storage")) == (403, "not_allowed")
    actor = SystemActor(organization_id=people.acme.pk, what="operator")
    set_quota(organization=people.acme, stored_bytes=None, marketplaces=1, actor=actor)
    assert code_of(call(http, key, "POST", "marketplaces", given)) == (409, "too_many_marketplaces")


def test_syncs_are_begun_and_listed_the_newest_first(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    bound = call(
        http, key, "POST", "marketplaces", {"url": repository.url, "credential": repository.token}
    ).json()
    ended(http, key, bound["id"], bound["sync_id"])
    begun = call(http, key, "POST", f"marketplaces/{bound['id']}/syncs")
    assert begun.status_code == 202
    again = ended(http, key, bound["id"], begun.json()["sync_id"])
    assert again["sync"]["state"] == "unchanged"
    address = f"marketplaces/{bound['id']}/syncs"
    listed = call(http, key, "GET", address).json()["syncs"]
    assert [one["id"] for one in listed] == [begun.json()["sync_id"], bound["sync_id"]]
    older = call(http, key, "GET", f"{address}?before={begun.json()['sync_id']}").json()["syncs"]
    assert older == listed[1:]
    assert call(http, key, "GET", f"{address}?before=x").status_code == 400


def test_another_branch_and_another_token_are_taken_at_once(
    http: httpx2.Client, people: Cast, new_repository: NewRepository, git_host: GitHost
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    bound = call(
        http, key, "POST", "marketplaces", {"url": repository.url, "credential": repository.token}
    ).json()
    ended(http, key, bound["id"], bound["sync_id"])
    address = f"marketplaces/{bound['id']}"
    begun = call(http, key, "PATCH", address, {"branch": "no-such-branch"})
    assert begun.status_code == 200
    told = ended(http, key, bound["id"], begun.json()["sync_id"])
    assert told["sync"]["error_code"] == "branch_not_found"
    assert call(http, key, "GET", address).json()["served"]["skills"] == 2, "the old commit is still served"
    ended(http, key, bound["id"], call(http, key, "PATCH", address, {"branch": ""}).json()["sync_id"])
    refused = call(http, key, "PUT", f"{address}/credential", {"credential": "wrong-token-0123456789"})
    assert code_of(refused) == (422, "credential_refused")
    assert call(http, key, "GET", address).json()["credential_last_four"] == repository.token[-4:]
    owners = {"credential": git_host.password, "username": "owner"}
    begun = call(http, key, "PUT", f"{address}/credential", owners)
    assert ended(http, key, bound["id"], begun.json()["sync_id"])["sync"]["state"] == "unchanged"
    assert call(http, key, "GET", address).json()["credential_last_four"] == git_host.password[-4:]


def test_what_cannot_be_read_is_not_bound_and_says_what_to_do(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    good = {"url": repository.url, "credential": repository.token}
    nobody = "https://127.0.0.1/x.git"
    for wrong, code in [
        ({"credential": "wrong"}, "credential_refused"),
        ({"branch": "nope"}, "branch_not_found"),
        ({"url": "git@github.com:acme/skills.git"}, "address_invalid"),
        ({"url": f"{repository.url}?private_token=x"}, "address_invalid"),
        ({"url": f"https://git.example/{'x' * 475}"}, "address_invalid"),
        ({"url": nobody}, "host_unreachable"),
        ({"slug": "Not A Name"}, "marketplace_name_refused"),
    ]:
        assert code_of(call(http, key, "POST", "marketplaces", {**good, **wrong}))[1] == code
    assert call(http, key, "GET", "marketplaces").json() == {"marketplaces": []}
    call(http, key, "POST", "marketplaces", {**good, "slug": "skills"})
    assert (
        code_of(call(http, key, "POST", "marketplaces", {**good, "slug": "skills"}))[1]
        == "marketplace_name_refused"
    )
    assert call(http, key, "POST", "marketplaces", good).status_code == 201, (
        "without a name it takes a free one"
    )


def test_only_who_manages_marketplaces_reaches_them(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    given = {"url": repository.url, "credential": repository.token}
    bound = call(http, key, "POST", "marketplaces", given).json()
    ended(http, key, bound["id"], bound["sync_id"])
    for other in (key_of(people.bob), key_of(people.alice, Scope.SIGN_IN_MANAGE)):
        for method, path in [
            ("GET", "marketplaces"), ("POST", "marketplaces"), ("GET", f"marketplaces/{bound['id']}"),
            ("GET", f"marketplaces/{bound['id']}/syncs"), ("POST", f"marketplaces/{bound['id']}/syncs"),
            ("PUT", f"marketplaces/{bound['id']}/credential"), ("POST", "marketplaces/check"),
        ]:  # fmt: skip
            body = given if method in {"POST", "PUT"} else None
            assert code_of(call(http, other, method, path, body)) == (403, "not_allowed"), path
    charlies = key_of(people.charlie)
    for path in (f"marketplaces/{bound['id']}", f"marketplaces/{bound['id']}/syncs/{bound['sync_id']}"):
        assert call(http, charlies, "GET", path, slug="globex").status_code == 404
    assert call(http, charlies, "POST", f"marketplaces/{bound['id']}/syncs", slug="globex").status_code == 404


def test_what_is_served_is_chosen_paused_and_deleted(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    bound = call(
        http, key, "POST", "marketplaces", {"url": repository.url, "credential": repository.token}
    ).json()
    ended(http, key, bound["id"], bound["sync_id"])
    address = f"marketplaces/{bound['id']}"
    changed = call(http, key, "PATCH", address, {"poll_seconds": 3600, "keep_days": 7})
    assert (changed.status_code, changed.json()) == (200, {"sync_id": None})
    assert code_of(call(http, key, "PATCH", address, {"poll_seconds": 5})) == (422, "setting_refused")
    begun = call(http, key, "PATCH", address, {"folder": "plugins"}).json()["sync_id"]
    assert ended(http, key, bound["id"], begun)["sync"]["state"] == "failed"
    begun = call(http, key, "PATCH", address, {"folder": ""}).json()["sync_id"]
    assert ended(http, key, bound["id"], begun)["sync"]["state"] == "unchanged"
    first = call(http, key, "GET", f"{address}/snapshots").json()["snapshots"]
    assert [(one["number"], one["is_served"], one["skills"]) for one in first] == [(1, True, 2)]
    second = repository.commit({**SMALL, "NEWS.md": "x"})
    pinned = call(http, key, "PUT", f"{address}/pin", {"commit": second})
    assert ended(http, key, bound["id"], pinned.json()["sync_id"])["sync"]["state"] == "succeeded"
    assert call(http, key, "PUT", f"{address}/pin", {"snapshot": 1}).json() == {"sync_id": None}
    shown = call(http, key, "GET", address).json()
    assert (shown["served"]["number"], shown["pinned_commit"]) == (1, first[0]["commit"])
    assert (shown["poll_seconds"], shown["keep_days"], shown["folder"]) == (3600, 7, "")
    for wrong in ({}, {"commit": second, "snapshot": 1}):
        assert call(http, key, "PUT", f"{address}/pin", wrong).status_code == 400
    assert code_of(call(http, key, "PUT", f"{address}/pin", {"commit": "main"})) == (422, "not_a_commit")
    begun = call(http, key, "DELETE", f"{address}/pin").json()["sync_id"]
    ended(http, key, bound["id"], begun)
    assert call(http, key, "GET", address).json()["served"]["commit"] == second
    assert call(http, key, "PUT", f"{address}/pause").status_code == 204
    assert code_of(call(http, key, "POST", f"{address}/syncs")) == (409, "syncs_stopped")
    begun = call(http, key, "DELETE", f"{address}/pause").json()["sync_id"]
    assert ended(http, key, bound["id"], begun)["sync"]["state"] == "unchanged"
    slug = shown["slug"]
    assert code_of(call(http, key, "PUT", f"{address}/deletion", {"confirmation": "x"})) == (
        422,
        "not_confirmed",
    )
    closing = call(http, key, "PUT", f"{address}/deletion", {"confirmation": slug}).json()["closing_at"]
    assert call(http, key, "GET", address).json()["closing_at"] == closing
    assert call(http, key, "GET", "skills").json()["skills"] == []
    assert call(http, key, "DELETE", f"{address}/deletion").status_code == 204
    assert len(call(http, key, "GET", "skills").json()["skills"]) == 2
