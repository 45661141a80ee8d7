"""What one person was shown is kept for nobody: the same address, asked by another, or after a rule changed (T-ISO-5)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import pytest

from marketplaces.services.worker import Worker
from skillport.accounts.models import Method, User
from skillport.organizations.services.members import end_membership
from skillport.principal import Principal
from tests.cast import Cast, key_of, make_cast
from tests.publishing import hide, publish
from tests.repositories import SMALL, NewRepository
from tests.visiting import signed_in

Look = Callable[[], httpx2.Response]


@pytest.fixture
def published(http: httpx2.Client, new_repository: NewRepository, worker: Worker, settings: Any) -> Cast:
    settings.DEMO_SIGN_IN = True
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    return cast


def doors(http: httpx2.Client, who: Principal) -> dict[str, Look]:
    """Give every door at which somebody sees the skills, with credentials that were made once."""
    key = {"Authorization": f"Bearer {key_of(who)}"}
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_skills", "arguments": {}},
    }
    browser = signed_in(User.objects.get(pk=who.user_id), Method.DEMO)
    accept = {"Accept": "application/json, text/event-stream"}
    return {
        "REST": partial(http.get, "/acme/api/v1/skills", headers=key),
        "MCP": partial(http.post, "/acme/mcp", json=asked, headers=key | accept),
        "page": partial(browser.get, "/acme/"),
    }


@pytest.mark.parametrize("door", ["REST", "MCP", "page"])
def test_a_rule_and_a_removal_count_from_the_next_answer_on(
    http: httpx2.Client, published: Cast, door: str
) -> None:
    alices, bobs = (doors(http, who)[door] for who in (published.alice, published.bob))
    for look in (alices, bobs, alices):
        shown = look()
        assert shown.status_code == 200
        assert "secret" in shown.text
        assert shown.headers["cache-control"] == "no-store, private"
        assert {"authorization", "cookie"} <= set(shown.headers["vary"].lower().split(", "))
    hide(published.alice, "secret", published.bob)
    assert "secret" not in bobs().text
    assert "secret" in alices().text
    assert "secret" not in bobs().text
    end_membership(
        organization=published.acme, membership_id=published.bob.membership_id, actor=published.alice
    )
    assert bobs().status_code in {302, 401, 404}
    assert "hello" not in bobs().text
    assert "secret" in alices().text


def test_what_is_in_no_organization_may_be_kept(http: httpx2.Client) -> None:
    """The twin: only files that are the same for everybody say so."""
    style = http.get("/static/skillport/app.js")
    assert style.status_code == 200
    assert "no-store" not in style.headers["cache-control"]
