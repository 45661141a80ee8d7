"""What comes back from outside: capped in size and time, never followed, and telling nothing about the inside."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from skillport.errors import SkillportError
from skillport.outbound import Answer, HostUnreachable, Origin, Outbound
from tests.ports import nobodys_port
from tests.skillport.loopback import Handler, Listener, drips, listening, says

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SOON = 15  # seconds; the deadlines of what is left are half a second, and what drips does so for thirty


def ask(
    listener: Listener,
    *,
    scheme: str = "http",
    content: bytes | None = None,
    max_bytes: int = 1000,
    deadline_seconds: float = 20,
) -> Answer:
    url = f"{scheme}://127.0.0.1:{listener.port}"
    outbound = Outbound(frozenset({Origin.parse(url)}))
    return outbound.request(
        "POST", url, content=content, max_bytes=max_bytes, deadline_seconds=deadline_seconds
    )


def test_header_names_are_given_in_lower_case() -> None:
    with listening(
        says(b"HTTP/1.1 200 OK\r\nContent-TYPE: Text/Plain\r\nX-One: \xe9\r\nContent-Length: 0\r\n\r\n")
    ) as server:
        answer = ask(server)
    assert answer.status == 200
    assert answer.headers == {"content-type": "Text/Plain", "x-one": "é", "content-length": "0"}


def test_a_redirect_is_given_back_and_not_followed() -> None:
    with listening(says(OK)) as inside:
        for status in (301, 302, 303, 307, 308):
            location = f"http://127.0.0.1:{inside.port}/"
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            with listening(says(head.encode())) as server:
                answer = ask(server)
                assert (answer.status, answer.headers["location"]) == (status, location)
                assert server.connections() == 1
        assert inside.connections() == 0


def test_a_repr_of_an_answer_does_not_hold_its_body() -> None:
    with listening(says(OK)) as server:
        assert "hello" not in repr(ask(server))


# --- size -------------------------------------------------------------------------------------------------------------


def chunked(*sizes: int) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (*sizes, 0))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks


@pytest.mark.parametrize(
    "form",
    [
        lambda size: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size),
        lambda size: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size,
        lambda size: chunked(size // 2, size - size // 2),
    ],
    ids=["announced", "until the end", "chunked"],
)
def test_a_body_may_be_as_large_as_the_cap_and_not_a_byte_larger(form: Callable[[int], bytes]) -> None:
    with listening(says(form(1000))) as server:
        assert len(ask(server).body) == 1000
    with (
        listening(says(form(1001))) as server,
        pytest.raises(HostUnreachable, match="larger than 1000 bytes"),
    ):
        ask(server)


def test_an_endless_answer_is_not_read_on() -> None:
    sent = itertools.count()

    def endless(client: socket.socket, ended: threading.Event) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not ended.is_set():
            client.sendall(bytes(65536))
            next(sent)

    with listening(endless) as server, pytest.raises(HostUnreachable, match="larger"):
        ask(server)
    assert next(sent) < 500  # what fitted into the buffers between us; endless would be thousands


def test_an_endless_header_is_not_read_on() -> None:
    with (
        listening(says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000_000)) as server,
        pytest.raises(HostUnreachable),
    ):
        ask(server)


# --- time -------------------------------------------------------------------------------------------------------------

ZEROS = itertools.repeat(b"0")
# What no timeout per read would ever end: each has a next byte after 20 milliseconds, for 30 seconds.
DRIPPING = {
    "the status line": ("http", drips(b"", itertools.chain((b"H", b"T", b"T", b"P"), ZEROS))),
    "the headers": ("http", drips(b"HTTP/1.1 200 OK\r\nX: ", ZEROS)),
    "the body": ("http", drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", ZEROS)),
    "a body without length": ("http", drips(b"HTTP/1.1 200 OK\r\n\r\n", ZEROS)),
    "the sizes of chunks": ("http", drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ZEROS)),
    "interim answers": ("http", drips(b"", itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n"))),
    "the handshake": ("https", drips(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", ZEROS)),
    "nothing at all": ("http", drips(b"", iter(lambda: b"", None))),
    "nothing at all under TLS": ("https", drips(b"", iter(lambda: b"", None))),
}


@pytest.mark.parametrize(("scheme", "handler"), DRIPPING.values(), ids=DRIPPING)
def test_a_server_that_drips_is_left_at_the_deadline(scheme: str, handler: Handler) -> None:
    with listening(handler) as server:
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            ask(server, scheme=scheme, deadline_seconds=0.5)
        assert 0.4 < time.monotonic() - began < SOON


def test_a_timeout_for_each_read_would_wait_to_the_end() -> None:
    """The twin: the dripping server really holds a client that knows only such a timeout."""
    with listening(
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 195\r\n\r\n", itertools.repeat(b"0"))
    ) as server:
        began = time.monotonic()
        answer = httpx2.get(f"http://127.0.0.1:{server.port}", timeout=3, trust_env=False)
        assert len(answer.content) == 195
        assert time.monotonic() - began > 3


def slow_reader(client: socket.socket, ended: threading.Event) -> None:
    for _ in range(1500):
        if ended.wait(0.02) or not client.recv(32 * 1024):
            return


def test_a_server_that_reads_slowly_is_left_at_the_deadline() -> None:
    with listening(slow_reader) as server:
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            ask(server, content=bytes(64 * 1024 * 1024), deadline_seconds=0.5)
        assert time.monotonic() - began < SOON


# --- what an outsider learns ------------------------------------------------------------------------------------------


def refusals(unknown: str) -> Iterator[SkillportError]:
    """Collect what is raised for hosts that are refused, unknown, closed, silent, rude and no HTTP servers."""
    with nobodys_port() as port:
        closed = f"http://127.0.0.1:{port}"
        allowed = Outbound(frozenset({Origin.parse(closed)}))
        for url in ("https://10.0.0.1/", "https://localhost/", unknown, closed):
            with pytest.raises(HostUnreachable) as refused:
                allowed.request("GET", url, max_bytes=1000, deadline_seconds=0.5)
            yield refused.value
    for handler in (
        says(b""),
        says(b"220 mail ESMTP secret-banner\r\n"),
        drips(b"", iter(lambda: b"", None)),
    ):
        for scheme in ("http", "https"):
            with listening(handler) as server, pytest.raises(HostUnreachable) as refused:
                ask(server, scheme=scheme, deadline_seconds=2)
            yield refused.value


def test_refused_unknown_closed_and_silent_hosts_give_one_and_the_same_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look_up = socket.getaddrinfo

    def without_a_name_server(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", without_a_name_server)
    errors = list(refusals("https://unknown.example/"))
    assert len(errors) == 10
    assert len({(type(error), error.status, str(error.as_json()), str(error)) for error in errors}) == 1
    assert all(error.__cause__ is None for error in errors)
    assert "secret-banner" not in str(errors)


# --- no proxy ---------------------------------------------------------------------------------------------------------


def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(says(OK)) as proxy, listening(says(OK)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert ask(server).body == b"hello"
        assert (proxy.connections(), server.connections()) == (0, 1)
        # The twin: another client, in the same environment, goes to the proxy.
        httpx2.get(f"http://127.0.0.1:{server.port}")
        assert (proxy.connections(), server.connections()) == (1, 1)
