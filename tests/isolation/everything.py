"""All that is tried, in parts: the same for the small form in the tests and for the long one."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from connector.mcp.endpoint import connector_slug
from tests.isolation.asking import Asker, Caller, Case, Outcome, Request
from tests.isolation.bodies import Words, by_forms, by_operations
from tests.isolation.canaries import SECRET
from tests.isolation.cases import (
    EVERYTHING,
    Thoroughness,
    at_addresses_without_ids,
    barred,
    by_queries,
    by_tools,
    from_outside,
    neighbours,
    of_what_is_hidden,
    outsiders,
    with_their_ids,
)
from tests.isolation.harvest import Found, harvest, some_of
from tests.isolation.routes import Route, all_routes
from tests.isolation.world import ABSENT, OURS, THEIRS, Side, World

# Beside Django's handler.
CONNECTOR = Route("<org:organization>/mcp", connector_slug, ())
# What differs for an organization that is there, because its people come in there. No secret may be in it.
WAYS_IN = {
    "<org:organization>/sign-in/own": "leads to the organization's own provider",
    "accounts/oidc/<str:key>/login": "leads to the provider of a connection",
    "accounts/oidc/<str:key>/callback": "takes the answer of a connection's provider",
}
Tell = Callable[
    [str, int, float], None
]  # the name of a part, how many requests it made, and in how many seconds


@dataclass(frozen=True)
class Known:
    """What the engine knows of the two organizations: all values of each, and those that only the first one has."""

    ours: list[Found]
    theirs: list[Found]
    only_ours: list[Found]
    routes: list[Route]


def look_around(world: World) -> Known:
    ours, theirs = (_of(side) for side in (world.ours, world.theirs))
    shared = {one.value for one in theirs}
    return Known(ours, theirs, [one for one in ours if one.value not in shared], all_routes())


def _of(side: Side) -> list[Found]:
    return harvest(side.organization, [who.user_id for who in side.people.values()])


@dataclass(frozen=True)
class Part:
    """Cases of one kind. Those that change the other organization follow each other, one by one."""

    name: str
    cases: Iterable[Case]
    one_by_one: bool = False


def parts(world: World, known: Known, asker: Asker, how: Thoroughness, words: Words) -> Iterator[Part]:
    """Give all that is tried; what changes the other organization comes last."""
    inside = [one for one in known.routes if one.of_organization and one.pattern not in WAYS_IN]
    inside.append(CONNECTOR)
    beside = [one for one in known.routes if not one.of_organization and one.pattern not in WAYS_IN]
    ways_in = [one for one in known.routes if one.pattern in WAYS_IN]
    out, near, only = outsiders(world), neighbours(world), known.only_ours
    some = only if how is EVERYTHING else some_of(only, 4)
    yield Part("addresses of ours, from outside", from_outside(inside, out, known.ours, how))
    with_ids = [one for one in beside if one.variables]
    yield Part("addresses of nobody's, with ids of ours", from_outside(with_ids, out, only, how))
    yield Part("addresses of nobody's, as they are", at_addresses_without_ids(beside, out, THEIRS, how))
    ways = from_outside(ways_in, out, known.ours, how)
    yield Part("ways in", (replace(case, twin=None, forbidden=(SECRET,)) for case in ways))
    yield Part("addresses of theirs, with ids of ours", with_their_ids(inside, near, only, known.theirs, how))
    yield Part("addresses of theirs, as they are", at_addresses_without_ids(inside, near, THEIRS, how))
    yield Part("tools of ours, from outside", by_tools(OURS, ABSENT, out, some_of(only, 2)))
    yield Part("tools of theirs, with names of ours", by_tools(THEIRS, THEIRS, near, some))
    yield Part("a member without the right", of_what_is_hidden(inside, barred(world)))
    openapi = openapi_of(asker, world.theirs)
    yield Part("queries of theirs, with names of ours", by_queries(near, openapi, some))
    by_key, in_browser = near[0], near[1]
    bodies = by_operations(openapi, by_key, inside, THEIRS, words, known.theirs)
    yield Part("bodies of theirs, with ids of ours", bodies, one_by_one=True)
    forms = by_forms(asker, in_browser, known.routes, THEIRS, words, known.theirs)
    yield Part("forms of theirs, with ids of ours", forms, one_by_one=True)


def run(
    world: World, known: Known, asker: Asker, how: Thoroughness, *, tell: Tell = lambda *_: None
) -> Outcome:
    """Try all of it. Nothing that was tried may have shut the other organization's people out of their own."""
    only = known.only_ours
    words = Words(only if how is EVERYTHING else some_of(only, 3), only)
    for part in parts(world, known, asker, how, words):
        before, began = asker.outcome.requests, time.monotonic()
        asker.run(part.cases, threads=1 if part.one_by_one else 3)
        tell(part.name, asker.outcome.requests - before, time.monotonic() - began)
    for caller in neighbours(world):
        own = f"/{THEIRS}/api/v1/skills" if caller.key else f"/{THEIRS}/"
        assert asker.ask(caller, Request("GET", own)).status == 200, f"{caller.name} was shut out"
    asker.outcome.sent = words.given
    return asker.outcome


def openapi_of(asker: Asker, side: Side) -> dict[str, Any]:
    """Give what the running server says of its REST API."""
    address = f"/{side.organization.slug}/api/v1/schema"
    told: dict[str, Any] = json.loads(
        asker.ask(Caller("an owner", key=side.keys["owner"]), Request("GET", address)).body
    )
    return told
