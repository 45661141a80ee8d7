"""What strangers try: every address of the first organization, and every id of its at the addresses of their own."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice, product
from typing import Any
from urllib.parse import urlencode

from connector.mcp.tools import TOOLS, Tool
from tests.isolation.asking import METHODS, Caller, Case, Request
from tests.isolation.canaries import HIDDEN
from tests.isolation.harvest import Found
from tests.isolation.routes import Route, nobodys
from tests.isolation.world import ABSENT, HIDDEN_NAME, OURS, THEIRS, Side, World

_SAFE = ("GET", "HEAD", "OPTIONS")


def outsiders(world: World) -> list[Caller]:
    """Give everybody who does not belong to the first organization, with every kind of credential they have."""
    theirs, removed = world.theirs, "removed"
    return [
        Caller("nobody"),
        Caller("a key that never was", key="sklp_ak_" + "A" * 49),
        Caller("an install token", key=world.install_token),
        *_with_both(theirs, "owner", "the other owner"),
        *_with_both(theirs, "member", "the other member"),
        *_with_both(world.ours, removed, "a removed member"),
    ]


def neighbours(world: World) -> list[Caller]:
    """Give those who belong to the other organization: they get through its doors, with ids of the first in hand."""
    return [
        *_with_both(world.theirs, "owner", "the other owner"),
        *_with_both(world.theirs, "member", "the other member"),
    ]


def barred(world: World) -> list[Caller]:
    return _with_both(world.ours, "barred", "a member without the right")


def _with_both(side: Side, person: str, name: str) -> list[Caller]:
    return [
        Caller(f"{name}, by key", key=side.keys[person]),
        Caller(f"{name}, in a browser", cookie=side.cookies[person]),
    ]


# --- addresses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thoroughness:
    """How much of what could be tried is tried: how many values for what varies, with how many of them every method (the
    others take turns), which methods from outside, and whether also with a kind of credential that an address does not
    take."""

    most: int
    thorough: int
    methods: tuple[str, ...]
    wrong_kinds: bool

    def of_each(
        self, route: Route, rows: Sequence[list[Any]], callers: Sequence[Caller], methods: tuple[str, ...]
    ) -> Iterator[tuple[list[Any], Caller, str]]:
        """Give every row of values with every caller, and with every method or the one whose turn it is."""
        for number, (row, caller) in enumerate(product(rows, self.callers(route, callers))):
            every = number < self.thorough * len(callers)
            for method in methods if every else methods[number % len(methods) :][:1]:
                yield row, caller, method

    def callers(self, route: Route, callers: Sequence[Caller]) -> list[Caller]:
        return [
            one for one in callers if self.wrong_kinds or (one.cookie if route.takes_keys else one.key) == ""
        ]


EVERYTHING = Thoroughness(10_000, 8, METHODS, wrong_kinds=True)
A_SAMPLE = Thoroughness(1, 1, ("GET", "POST"), wrong_kinds=False)


def from_outside(
    routes: Sequence[Route], callers: Sequence[Caller], values: Sequence[Found], how: Thoroughness
) -> Iterator[Case]:
    """Try every address of the first organization; the twin is the same address of one that is not there."""
    for route in routes:
        invented = [variable.invented for variable in route.variables]
        rows = _combinations(route, values, how)
        for given, caller, method in how.of_each(route, rows, callers, how.methods):
            yield Case(
                caller, _request(method, route, OURS, given), _request(method, route, ABSENT, invented)
            )


def with_their_ids(
    routes: Sequence[Route],
    callers: Sequence[Caller],
    values: Sequence[Found],
    own: Sequence[Found],
    how: Thoroughness,
) -> Iterator[Case]:
    """Bring ids of the first organization to addresses of one's own; the twin brings what nobody has.

    Where two things vary, one of them is the caller's own in turn, so that only the other one is foreign.
    """
    for route in routes:
        if not route.variables:
            continue
        invented = [variable.invented for variable in route.variables]
        rows = _combinations(route, values, how)
        for given, caller, method in how.of_each(route, rows, callers, METHODS):
            for foreign, nothing in _with_one_of_ones_own(route, own, given, invented):
                yield Case(
                    caller,
                    _request(method, route, THEIRS, foreign),
                    _request(method, route, THEIRS, nothing),
                )


def _with_one_of_ones_own(
    route: Route, own: Sequence[Found], given: list[Any], invented: list[Any]
) -> Iterator[tuple[list[Any], list[Any]]]:
    if len(given) == 1:
        yield given, invented
        return
    mine = [next((one.value for one in own if variable.means(one)), None) for variable in route.variables]
    for kept, value in enumerate(mine):
        if value is not None:
            foreign, nothing = ([*some[:kept], value, *some[kept + 1 :]] for some in (given, invented))
            yield foreign, nothing


def at_addresses_without_ids(
    routes: Sequence[Route], callers: Sequence[Caller], slug: str, how: Thoroughness
) -> Iterator[Case]:
    """Look at what is one's own: nothing of the first organization may stand there."""
    for route in routes:
        if not route.variables:
            for caller, method in product(how.callers(route, callers), _SAFE[: len(how.methods)]):
                yield Case(caller, _request(method, route, slug, []))


def _combinations(route: Route, values: Sequence[Found], how: Thoroughness) -> list[list[Any]]:
    """Give values for what varies, first those that are meant there; for two, each of the one with some of the other."""
    fitting = [
        [one.value for one in sorted(values, key=variable.means, reverse=True) if variable.takes(one)][
            : how.most
        ]
        for variable in route.variables
    ]
    assert all(fitting), f"nothing that was harvested fits {route}"
    longest = max((len(some) for some in fitting), default=1)
    turned = [islice(cycle(_turned(some, n)), longest) for n, some in enumerate(fitting)]
    return [list(row) for row in zip(*turned, strict=True)] if turned else [[]]


def _turned(some: list[Any], by: int) -> list[Any]:
    return some[by % len(some) :] + some[: by % len(some)]


def _request(method: str, route: Route, slug: str, given: Sequence[object]) -> Request:
    address = route.filled(slug, given)
    return Request(method, address, (address, *(str(value) for value in given), slug))


# --- tools and queries ------------------------------------------------------------------------------------------------


def by_tools(slug: str, twin_slug: str, callers: Sequence[Caller], values: Sequence[Found]) -> Iterator[Case]:
    """Call every tool with each name in each of its texts; with none in those that take none."""
    texts = [one.value for one in values if isinstance(one.value, str)]
    for tool in TOOLS:
        fillings = list(_fillings(tool))
        for filled in fillings or [_nothing]:
            for text in texts if fillings else [""]:
                invented = str(nobodys(str, text))
                for caller in callers:
                    yield Case(
                        caller,
                        _call(slug, tool.name, filled(text), text),
                        _call(twin_slug, tool.name, filled(invented), invented),
                    )


def _fillings(tool: Tool) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Give for each text that the tool takes a function that puts one there, and something that is there elsewhere."""
    schema = tool.input_schema
    needed = {name: _something(schema["properties"][name]) for name in tool.required}
    for name, one in schema["properties"].items():
        if one["type"] == "string":
            yield partial(_with, needed, name)
        elif one["type"] == "array":
            (whole,) = _something(one)
            for inner in one["items"]["properties"]:
                yield partial(_with_one, needed, name, partial(_with, whole, inner))


def _nothing(_text: str) -> dict[str, Any]:
    return {}


def _with(others: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    return {**others, name: text}


def _with_one(
    others: dict[str, Any], name: str, filled: Callable[[str], dict[str, Any]], text: str
) -> dict[str, Any]:
    return {**others, name: [filled(text)]}


def _something(schema: dict[str, Any]) -> Any:
    """Give what a schema asks for at the least, with the name of a skill that is there for its texts."""
    match schema["type"]:
        case "array":
            return [_something(schema["items"])]
        case "object":
            return {name: _something(schema["properties"][name]) for name in schema["required"]}
        case _:
            return "hello"


def _call(slug: str, tool: str, arguments: dict[str, Any], word: str) -> Request:
    told = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    words = (slug, word) if word else (slug,)
    return Request("POST", f"/{slug}/mcp", words, json.dumps(told).encode(), "application/json")


def by_queries(callers: Sequence[Caller], openapi: dict[str, Any], values: Sequence[Found]) -> Iterator[Case]:
    """Ask the caller's own REST addresses with each name in each of their query's texts."""
    texts = [one.value for one in values if isinstance(one.value, str)]
    for path, operations in openapi["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["in"] != "query" or "{" in path.replace("{organization}", ""):
                continue
            for text in texts:
                for caller in callers:
                    ours, twin = (
                        _query(path, parameter["name"], one) for one in (text, str(nobodys(str, text)))
                    )
                    yield Case(caller, ours, twin)


def _query(path: str, name: str, text: str) -> Request:
    return Request("GET", f"{path.replace('{organization}', THEIRS)}?{urlencode({name: text})}", (text,))


# --- a member without the right ---------------------------------------------------------------------------------------


def of_what_is_hidden(routes: Sequence[Route], callers: Sequence[Caller]) -> Iterator[Case]:
    """Let members ask by every name for a skill that a rule hides from them, and look wherever it might stand."""
    hidden = (HIDDEN, HIDDEN_NAME)
    names = [
        Found(name, frozenset())
        for name in (HIDDEN_NAME, f"tools/{HIDDEN_NAME}", f"skills/tools/{HIDDEN_NAME}")
    ]
    for case in by_tools(OURS, OURS, callers, names):
        yield replace(case, forbidden=hidden)
    for route, caller in product(routes, callers):
        if not route.variables:
            yield Case(caller, _request("GET", route, OURS, []), forbidden=hidden)
        elif [variable.shape for variable in route.variables] == [str]:
            for name, method in product(names, METHODS):
                ours, twin = (
                    _request(method, route, OURS, [one])
                    for one in (name.value, nobodys(str, str(name.value)))
                )
                yield Case(caller, ours, twin, forbidden=hidden)
