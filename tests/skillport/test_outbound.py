"""Where Skillport may go: nothing that a customer can write reaches this machine or its private network."""

import contextlib
import ipaddress
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from skillport import outbound as guard
from skillport.errors import SkillportError
from skillport.outbound import AddressInvalid, Answer, HostUnreachable, Origin, Outbound, is_public
from tests.skillport.hostile_urls import ALLOWED, HOSTILE_URLS, PRIVATE_ADDRESSES, PUBLIC_ADDRESSES, teach
from tests.skillport.loopback import PUBLIC, PUBLIC_6, Network, listening, says

TRIES = 1_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Let every connection of this process end at one listener on loopback."""
    with listening(says(OK)) as listener:
        network = Network(listener)
        teach(network)
        monkeypatch.setattr(socket, "getaddrinfo", network.getaddrinfo)
        monkeypatch.setattr(socket, "create_connection", network.create_connection)
        yield network


def outbound(*allowed: str) -> Outbound:
    return Outbound(frozenset(map(Origin.parse, allowed)))


def get(url: str, *allowed: str) -> Answer:
    return outbound(*allowed).request("GET", url, max_bytes=1000, deadline_seconds=5)


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=repr)
def test_a_hostile_address_is_refused_before_anything_connects(network: Network, url: str) -> None:
    with pytest.raises((AddressInvalid, HostUnreachable)):
        outbound(ALLOWED).check(url)
    with pytest.raises((AddressInvalid, HostUnreachable)):
        get(url, ALLOWED)
    assert network.reached == []
    assert network.listener.connections() == 0


def test_there_are_enough_hostile_addresses() -> None:
    assert len(set(HOSTILE_URLS)) == len(HOSTILE_URLS) >= 60


def test_without_the_rule_about_addresses_most_of_them_would_connect(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the listener is reached and counted when the guard lets an address through."""
    monkeypatch.setattr(guard, "is_public", lambda _: True)
    for url in HOSTILE_URLS:
        with contextlib.suppress(
            SkillportError, AssertionError, TypeError
        ):  # however it ends: who was reached?
            get(url, ALLOWED)
    assert network.listener.connections() > 0
    reached = {address for address, _ in network.reached}
    assert len(reached - {PUBLIC, PUBLIC_6}) > 40
    assert {"127.0.0.1", "::1", "169.254.169.254", "168.63.129.16", "::ffff:127.0.0.1"} <= reached


def test_a_public_address_is_let_through_to_exactly_itself(network: Network) -> None:
    assert outbound().check("https://public.example/x").addresses == (PUBLIC,)
    assert outbound().check("HTTPS://Public.EXAMPLE:443/x").origin == Origin("https", "public.example", 443)
    for url in (
        "https://public.example/",
        "https://public6.example/",
        f"https://{PUBLIC}/",
        f"https://[{PUBLIC_6}]/",
    ):
        with pytest.raises(HostUnreachable):  # there is no way out of this machine
            get(url)
    assert network.reached == [(PUBLIC, 443), (PUBLIC_6, 443), (PUBLIC, 443), (PUBLIC_6, 443)]


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_any_other_address_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_pythons_own_opinion_would_let_some_of_them_through() -> None:
    """The twin: the table holds addresses that the obvious implementation calls global."""
    wrong = {one for one in PRIVATE_ADDRESSES if ipaddress.ip_address(one).is_global}
    assert {"224.0.0.1", "168.63.129.16", "ff02::1", "64:ff9b::a9fe:a9fe"} <= wrong


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://PUBLIC.Example:443/x",
        f"https://[{PUBLIC_6.upper()}]/",
        "https://[2606:2800:0220:0001:0248:1893:25c8:1946]/",
        "https://public.example/ü?q=é#ß",
        "https://ⓟublic。example/",
        "https://bücher.example/",
    ],
)
def test_an_unusual_spelling_of_a_public_address_leads_to_the_same_place(network: Network, url: str) -> None:
    with pytest.raises(HostUnreachable):
        get(url)
    assert network.reached in ([(PUBLIC, 443)], [(PUBLIC_6, 443)])


# --- the pin ----------------------------------------------------------------------------------------------------------


def test_a_name_server_that_changes_its_answer_after_the_check_changes_nothing(network: Network) -> None:
    for _ in range(TRIES):
        network.knows("rebinding.example", [PUBLIC], ["127.0.0.1"])
        with pytest.raises(HostUnreachable):
            get("https://rebinding.example/")
    assert network.reached == [(PUBLIC, 443)] * TRIES
    assert network.listener.connections() == 0


def test_nor_does_it_where_git_is_sent(network: Network) -> None:
    for _ in range(TRIES):
        network.knows("rebinding.example", [PUBLIC], ["127.0.0.1"])
        destination = outbound().check("https://rebinding.example/x.git")
        assert (
            destination.curl_resolve == f"rebinding.example:443:{PUBLIC}"
        )  # git asks nobody else, as its own tests show


def test_checking_and_then_connecting_by_name_would_reach_the_listener_every_time(network: Network) -> None:
    """The twin: what everybody writes first."""
    for _ in range(100):
        network.knows("rebinding.example", [PUBLIC], ["127.0.0.1"])
        destination = outbound().check("https://rebinding.example/")
        socket.create_connection((destination.origin.host, destination.origin.port)).close()
    assert network.reached == [("127.0.0.1", 443)] * 100
    assert network.listener.connections() == 100


def test_a_name_server_that_alternates_for_ever_wins_nothing_either(network: Network) -> None:
    network.knows("alternating.example", [PUBLIC], ["127.0.0.1"], [PUBLIC, "127.0.0.1"])
    for _ in range(60):
        with pytest.raises(HostUnreachable):
            get("https://alternating.example/")
    assert set(network.reached) == {(PUBLIC, 443)}


def test_a_name_that_resolves_only_once_is_enough(network: Network) -> None:
    # The other way round: if the name were looked up again, this would fail.
    asked = iter([["127.0.0.1"]])
    network.names["once.example"] = itertools.chain(asked, iter([[]]))
    url = f"http://once.example:{network.listener.port}"
    assert get(url, url).body == b"hello"


def test_every_checked_address_is_tried_in_turn(network: Network) -> None:
    network.knows("two.example", [PUBLIC, "10.0.0.9"])
    with pytest.raises(HostUnreachable):
        get("https://two.example/", "https://two.example")  # allowed; the listener speaks no TLS
    assert network.reached == [(PUBLIC, 443), ("10.0.0.9", 443)]


# --- what the operator allows -----------------------------------------------------------------------------------------


def test_an_allowed_origin_on_loopback_works_with_plain_http() -> None:
    with listening(says(OK)) as listener:
        url = f"http://127.0.0.1:{listener.port}"
        assert get(f"{url}/path?query", url).body == b"hello"
        assert listener.connections() == 1


def test_nothing_else_on_the_same_host_is_allowed_with_it() -> None:
    with listening(says(OK)) as allowed, listening(says(OK)) as other:
        url = f"http://127.0.0.1:{allowed.port}"
        for refused in (
            f"http://127.0.0.1:{other.port}/",
            f"https://127.0.0.1:{allowed.port}/",
            f"http://localhost:{allowed.port}/",
            f"http://[::1]:{allowed.port}/",
            f"http://127.1:{allowed.port}/",
            f"http://127.0.0.2:{allowed.port}/",
            "http://127.0.0.1/",
        ):
            with pytest.raises(AddressInvalid, match="SKILLPORT_OUTBOUND_ALLOW"):
                get(refused, url)
        assert allowed.connections() == other.connections() == 0


def test_plain_http_to_anything_but_loopback_is_refused_even_when_allowed(network: Network) -> None:
    for host in (
        "inside.example",
        "public.example",
        "loopback-first.example",
        "10.0.0.5",
        "[::ffff:10.0.0.5]",
    ):
        with pytest.raises(HostUnreachable):
            get(f"http://{host}:8080/", f"http://{host}:8080")
    assert network.reached == []


def test_an_allowed_private_origin_is_let_through_with_https_only(network: Network) -> None:
    assert outbound(ALLOWED).check(f"{ALLOWED}/x.git").addresses == ("10.0.0.5",)
    with pytest.raises(HostUnreachable):
        outbound().check(f"{ALLOWED}/x.git")


def test_a_request_that_would_leave_its_origin_goes_nowhere(network: Network) -> None:
    checked = outbound().check("https://public.example/x")
    for host, port in [("elsewhere.example", 443), ("public.example", 8443)]:
        with pytest.raises(HostUnreachable):
            guard._PinnedBackend(checked, time.monotonic() + 5).connect_tcp(host, port)
    assert network.reached == []


def test_names_that_nobody_answers_for_hold_up_no_other_name(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One organization's name server is silent, and asked many times over."""
    monkeypatch.setattr(guard, "_RESOLVE_SECONDS", 60)
    answered, asked = threading.Event(), threading.Semaphore(0)
    network.knows("silent.example", [PUBLIC])

    def look_up(host: str, *rest: Any, **more: Any) -> list[Any]:
        if host == "silent.example":
            asked.release()
            answered.wait(20)
        return network.getaddrinfo(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with ThreadPoolExecutor(20) as people:
        waiting = [people.submit(outbound().check, "https://silent.example/") for _ in range(20)]
        for _ in range(4):
            assert asked.acquire(timeout=60)
        try:
            assert outbound().check("https://public.example/x").addresses == (PUBLIC,)
        finally:
            answered.set()
    assert {one.result().addresses for one in waiting} == {(PUBLIC,)}


def test_names_that_nobody_answers_for_take_only_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(guard, "_lookups", threading.BoundedSemaphore(3))
    answered, asked, really = threading.Event(), list[str](), socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> list[Any]:
        if host != "silent.example":  # a thread of the server's, which other tests have left running
            return really(host, *rest, **more)
        asked.append(host)
        answered.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        for _ in range(6):
            with pytest.raises(HostUnreachable):
                outbound().check("https://silent.example/")
    finally:
        answered.set()
        for thread in threading.enumerate():
            if thread.name == "look-up":
                thread.join()  # each has asked by then, however late it began
    assert len(asked) == 3
