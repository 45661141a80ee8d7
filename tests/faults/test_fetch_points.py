"""Wherever a host can be named by somebody, nothing of this machine or its network is reached (T-SSRF-1 to 3)."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from marketplaces.git.errors import FetchFailed
from marketplaces.git.program import Connection, GitProgram
from marketplaces.services.worker import Worker
from skillport import outbound as guard
from skillport.outbound import Origin, Outbound
from tests.cast import Cast
from tests.faults.fetch_points import FETCH_POINTS, SECRET, Point, World, make_world, said_by
from tests.marketplaces.git.hosts import FakeHost, Request, answer
from tests.skillport.hostile_urls import HOSTILE_URLS, teach
from tests.skillport.loopback import PUBLIC, Network, listening, says

# Of every kind in the long list, as many as a row of a database can hold.
STORABLE = [url.replace("/x.git", "/acme/x.git") for url in HOSTILE_URLS if url and "\x00" not in url]
CHOSEN = STORABLE[:: len(STORABLE) // 60]
REFUSALS = ("host_unreachable", "address_invalid")
EVERY_POINT = pytest.mark.parametrize("point", FETCH_POINTS.values(), ids=FETCH_POINTS)
# These tell that nothing is known, or refuse the address as another one than is stored, or as no repository's, before they ask.
KNOWS_NOTHING = ("Told(provider=<Kind.", "not_moved_there", "provider_no_repository")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Let every connection of this process end at one listener, and keep git from making any; `reached` has them all."""
    with listening(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as listener:
        network = Network(listener)
        teach(network)
        monkeypatch.setattr(socket, "getaddrinfo", network.getaddrinfo)
        monkeypatch.setattr(socket, "create_connection", network.create_connection)
        streaming = GitProgram.streaming

        @contextmanager
        def kept_here(
            self: GitProgram, folder: Any, *arguments: str, connection: Connection | None = None
        ) -> Iterator[Any]:
            if connection is not None:
                there = connection.destination
                network.reached += [(address, there.origin.port) for address in there.addresses]
                raise FetchFailed
            with streaming(self, folder, *arguments) as output:
                yield output

        monkeypatch.setattr(GitProgram, "streaming", kept_here)
        yield network


@pytest.fixture
def world(cast: Cast, worker: Worker, no_other_worker: None) -> World:
    return make_world(cast, worker)


def test_there_are_sixty_addresses() -> None:
    assert len(CHOSEN) >= 60


@EVERY_POINT
def test_a_hostile_address_is_refused_and_nothing_connects(
    world: World, network: Network, point: Point
) -> None:
    for url in CHOSEN:
        said = said_by(point, world, url)
        assert not said or any(one in said for one in (*REFUSALS, *KNOWS_NOTHING)), (url, said)
    # The library takes a user's name out of an address, and asks the public host that is left.
    assert {address for address, _ in network.reached} <= {PUBLIC}
    assert network.listener.connections() == 0


@EVERY_POINT
def test_without_the_guard_each_of_them_would_connect(
    world: World, network: Network, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the point does ask, and the listener and the watch over git do count."""
    monkeypatch.setattr(guard, "is_public", lambda _: True)
    said_by(point, world, "https://169.254.169.254/acme/x.git")
    assert ("169.254.169.254", 443) in network.reached


@EVERY_POINT
def test_a_name_that_is_private_the_second_time_changes_nothing(
    world: World, network: Network, point: Point
) -> None:
    for _ in range(5):
        network.knows("rebinding.example", [PUBLIC], ["127.0.0.1"])
        said_by(point, world, "https://rebinding.example/acme/x.git")
    assert {address for address, _ in network.reached} == {PUBLIC}
    assert network.listener.connections() == 0


@EVERY_POINT
def test_private_unknown_and_closed_hosts_cannot_be_told_apart(
    world: World, network: Network, point: Point
) -> None:
    """Names of the inside, whether anything listens there or not; a name that nobody knows; a public door that is closed."""
    names = ["inside.example", "metadata.google.internal", "localhost", "nowhere.invalid", "public.example"]
    if point in {FETCH_POINTS["a sync fetches"], FETCH_POINTS["a check fetches"]}:
        names.pop()  # git does not tell why it got nothing from a public host
    told = {said_by(point, world, f"https://{name}/acme/x.git").replace(name, "…") for name in names}
    assert len(told) == 1, told


# --- a host that the operator allows, and that is hostile all the same --------------------------------------------------


@contextmanager
def allowed(world: World, settings: Any, answers: Any) -> Iterator[FakeHost]:
    with FakeHost(answers) as host:
        settings.OUTBOUND_ALLOWED_ORIGINS = frozenset({Origin.parse(host.url)})
        outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
        object.__setattr__(world.worker, "outbound", outbound)
        yield host


@EVERY_POINT
def test_a_redirect_to_the_inside_is_not_followed(world: World, point: Point, settings: Any) -> None:
    with listening(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as inside:
        to = f"http://127.0.0.1:{inside.port}"

        def redirect(request: Request) -> list[bytes]:
            return answer((301, 302, 307)[len(request.path) % 3], Location=f"{to}{request.path}")

        with allowed(world, settings, redirect) as host:
            said_by(point, world, f"{host.url}/acme/skills.git")
            assert host.requests, "the twin: it was asked"
        assert inside.connections() == 0


UPSTREAM = "upstream-bytes-that-nobody-repeats"
SPOKEN = {
    "an error": lambda _: answer(500, UPSTREAM.encode(), X_Said=UPSTREAM),
    "a refusal": lambda _: answer(403, UPSTREAM.encode(), WWW_Authenticate=UPSTREAM),
    "JSON": lambda _: answer(200, f'{{"message": "{UPSTREAM}", "error": "{UPSTREAM}"}}'.encode(), "application/json"),
    "git's own error": lambda _: answer(200, b"%04xERR %s" % (8 + len(UPSTREAM), UPSTREAM.encode())),
    "a page to sign in": lambda _: answer(302, Location=f"/sign-in?{UPSTREAM}"),
}  # fmt: skip


@pytest.mark.parametrize("answers", SPOKEN.values(), ids=SPOKEN)
@EVERY_POINT
def test_what_a_host_says_is_never_repeated(world: World, point: Point, answers: Any, settings: Any) -> None:
    with allowed(world, settings, answers) as host:
        said = said_by(point, world, f"{host.url}/acme/skills.git")
        assert host.requests, "the twin: it was asked"
    assert UPSTREAM not in said
    assert SECRET not in said
