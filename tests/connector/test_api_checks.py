"""Checking a repository over REST, on the real server: whole, line by line, and beside hosts that say nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.core.cache import cache

from marketplaces.models import Marketplace
from marketplaces.patience import ASKING_AT_ONCE
from marketplaces.services.steps import steps_of
from skillport.accounts.models import User
from skillport.organizations.services.members import add_member
from skillport.outbound import Origin
from skillport.principal import Role, SystemActor
from skillport.scoping import within
from tests.cast import Cast, key_of, principal
from tests.connector.rest import call, code_of
from tests.half_open import client
from tests.marketplaces.git.hosts import LISTED, FakeHost, Request, answer
from tests.repositories import SMALL, NewRepository
from tests.waiting import until

CHECK = "/acme/api/v1/marketplaces/check"


@contextmanager
def stream(http: httpx2.Client, key: str, given: dict[str, str]) -> Iterator[Iterator[dict[str, Any]]]:
    """Begin a check, and give its lines as they come."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/x-ndjson"}
    with http.stream("POST", CHECK, headers=headers, json=given) as answered:
        assert answered.headers["content-type"] == "application/x-ndjson", answered.read()
        yield (json.loads(line) for line in answered.iter_lines())


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHost]:
    """A host that knows its newest commit and then says nothing."""

    def answers(request: Request) -> Iterator[bytes]:
        if request.method == "POST":
            yield from answer(body=LISTED + b"0000")
        else:
            hung.set()
            yield from host._silence(request)

    hung = threading.Event()
    with FakeHost(answers) as host:
        host.asked = hung
        allowed = settings.OUTBOUND_ALLOWED_ORIGINS | {Origin.parse(host.url)}
        monkeypatch.setattr(settings, "OUTBOUND_ALLOWED_ORIGINS", allowed)
        yield host


def test_steps_are_told_whole_or_line_by_line_and_nothing_is_saved(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    given = {"url": repository.url, "credential": repository.token}
    whole = call(http, key, "POST", "marketplaces/check", given)
    assert whole.status_code == 200
    with stream(http, key, given) as lines:
        *steps, last = lines
    assert last == {"passed": True}
    assert whole.json() == {"passed": True, "steps": steps}
    assert [step["name"] for step in steps] == [str(name) for name in steps_of(app=False)]
    assert repository.token not in whole.text
    with within(people.acme):
        assert not Marketplace.objects.for_organization(people.acme).exists()


def test_a_failed_step_is_the_last_and_says_what_to_do(
    http: httpx2.Client, people: Cast, new_repository: NewRepository
) -> None:
    key, repository = key_of(people.alice), new_repository(SMALL)
    with stream(http, key, {"url": repository.url, "credential": "wrong-canary"}) as lines:
        *_, last, end = lines
    assert end == {"passed": False}
    assert (last["name"], last["state"], last["code"]) == ("credential", "failed", "credential_refused")
    assert "Make another token" in last["remedy"]
    assert "canary" not in str(last)
    told = call(http, key, "POST", "marketplaces/check", {"url": "git@github.com:acme/skills.git"}).json()
    assert (told["passed"], [step["code"] for step in told["steps"]]) == (False, ["address_invalid"])


def test_each_step_is_told_as_it_ends_and_one_check_at_a_time_is_enough(
    http: httpx2.Client, people: Cast, hanging: FakeHost
) -> None:
    key, given = key_of(people.alice), {"url": f"{hanging.url}/acme/skills.git"}
    with stream(http, key, given) as lines:
        before = [next(lines)["name"] for _ in range(5)]
        assert before == ["address", "host", "credential", "repository", "branch"], (
            "while the host still says nothing"
        )
        assert code_of(call(http, key, "POST", "marketplaces/check", given)) == (409, "check_under_way")


def test_who_leaves_ends_the_check(http: httpx2.Client, people: Cast, hanging: FakeHost) -> None:
    key, given = key_of(people.alice), {"url": f"{hanging.url}/acme/skills.git"}
    with stream(http, key, given) as lines:
        next(lines)
        assert hanging.asked.wait(20)
    until(lambda: cache.get(f"check:{people.alice.user_id}") is None, 15)


def test_checks_that_hang_hold_up_nobody_who_does_something_else(
    http: httpx2.Client, people: Cast, hanging: FakeHost
) -> None:
    actor = SystemActor(organization_id=people.acme.pk, what="test")
    with ExitStack() as stack:
        for number in range(ASKING_AT_ONCE + 2):
            user = User.objects.create(name=f"Admin {number}")
            add_member(organization=people.acme, user=user, role=Role.ADMIN, actor=actor)
            key = key_of(principal(people.acme, user.pk))
            given = {"url": f"{hanging.url}/acme/skills.git"}
            if number < ASKING_AT_ONCE:
                next(stack.enter_context(stream(http, key, given)))
            else:  # it waits for a place; whoever comes after it is somebody else
                body = json.dumps(given)
                waiting = stack.enter_context(client(settings.SERVER_PORT))
                waiting.begin(
                    f"POST {CHECK}",
                    f"Authorization: Bearer {key}",
                    "Accept: application/x-ndjson",
                    f"Content-Length: {len(body)}",
                )
                waiting.socket.sendall(body.encode())
        keys = key_of(people.bob)
        for _ in range(10):
            assert call(http, keys, "GET", "skills").status_code == 200
        assert http.get("/").status_code == 200
