"""What surrounds every request, as pure ASGI messages."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from skillport.envelope import Application, AtMost, Message, Receive, Scope, Send
from skillport.logs import request_id
from skillport.tokens import Prefix, mint
from tests.skillport.inside_the_envelope import HOST, answers, ask, fails, never

CANARY = "canary9f3c"
TOKEN = mint(Prefix.INSTALL_TOKEN).plain_secret


# --- the host ---------------------------------------------------------------------------------------------------------

WRONG_HOSTS = [
    "skills.example.org", "skills.example.org:443", "skills.example.org:8444", "evil.example", "",
    "skills.example.org:8443.evil.example", "skills.example.org:8443@evil.example", " skills.example.org:8443",
    "skills.example.org:8443/", "skills.example.org.:8443", "127.0.0.1:8443", "user@skills.example.org:8443", None,
]  # fmt: skip


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_a_request_for_another_host_is_refused_before_anybody_sees_it(host: str | None) -> None:
    exchange = ask(never, host=host)
    assert exchange.status == 421
    assert json.loads(exchange.body)["error"]["code"] == "wrong_host"
    assert exchange.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", [HOST, HOST.upper()])
def test_a_request_for_this_host_comes_through(host: str) -> None:
    """The twin: the same application answers as soon as the host is right."""
    assert ask(answers(), host=host).body == b"inner"


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_the_probes_are_answered_under_every_name(host: str | None) -> None:
    assert ask(answers(), path="/livez", host=host).status == 200
    assert ask(answers(), path="/readyz", host=host).status == 200
    for path in ("/livez/", "/livez/x", "//livez", "/x/livez", "/LIVEZ"):
        assert ask(never, path=path, host="evil.example").status == 421


def test_a_websocket_for_another_host_is_closed() -> None:
    assert ask(never, host="evil.example", kind="websocket").sent == [
        {"type": "websocket.close", "code": 1011}
    ]


def test_what_is_no_request_passes_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    assert ask(inner, kind="lifespan", host=None).sent == []
    assert seen == ["lifespan"]


# --- headers ----------------------------------------------------------------------------------------------------------


def test_every_answer_has_the_security_headers() -> None:
    headers = ask(answers()).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store, private"
    assert headers["vary"] == "Authorization, Cookie"


def test_a_header_that_the_application_set_is_kept_and_not_doubled() -> None:
    exchange = ask(answers(200, (b"Cache-Control", b"max-age=60"), (b"content-security-policy", b"sandbox")))
    names = [name.lower() for name, _ in exchange.sent[0]["headers"]]
    assert names.count(b"cache-control") == names.count(b"content-security-policy") == 1
    assert exchange.headers["Cache-Control"] == "max-age=60"
    assert exchange.headers["content-security-policy"] == "sandbox"
    assert exchange.headers["referrer-policy"] == "same-origin"


def test_every_request_has_an_id_of_its_own_which_the_code_inside_knows() -> None:
    known: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        known.append(request_id.get())
        await answers()(scope, receive, send)

    told = [ask(inner).headers["x-request-id"] for _ in range(100)]
    assert told == known
    assert len(set(told)) == 100
    assert all(len(one) == 32 for one in told)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OperationalError(CANARY), InterfaceError(CANARY), PoolTimeout(CANARY)])
def test_without_a_database_the_answer_is_503_and_says_when_to_come_back(error: Exception) -> None:
    exchange = ask(fails(error))
    assert exchange.status == 503
    assert int(exchange.headers["retry-after"]) > 0
    assert json.loads(exchange.body)["error"]["code"] == "unavailable"
    assert CANARY.encode() not in exchange.body


@pytest.mark.parametrize(
    "error", [RuntimeError(CANARY), KeyError(CANARY), ExceptionGroup(CANARY, [ValueError(CANARY)])]
)
def test_any_other_error_is_a_500_that_tells_nothing_of_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = ask(fails(error))
    assert exchange.status == 500
    assert exchange.headers["content-type"] == "application/json"
    assert int(exchange.headers["content-length"]) == len(exchange.body)
    assert json.loads(exchange.body)["error"]["code"] == "internal_error"
    assert exchange.headers.keys() >= {"content-security-policy", "x-request-id", "cache-control"}
    assert CANARY not in str(exchange.sent)
    assert CANARY in caplog.text  # the twin: it is in the log, so it was there to be told


BEGUN: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"half", "more_body": True}


@pytest.mark.parametrize("error", [RuntimeError(CANARY), OperationalError(CANARY)])
@pytest.mark.parametrize("before", [(BEGUN,), (BEGUN, PART)], ids=["begun", "half sent"])
def test_after_an_answer_began_an_error_sends_nothing_more(
    error: Exception, before: tuple[Message, ...]
) -> None:
    exchange = ask(fails(error, *before))
    assert exchange.status == 200
    assert len(exchange.sent) == len(before)


def test_an_error_in_an_open_websocket_closes_it() -> None:
    exchange = ask(fails(RuntimeError(CANARY), {"type": "websocket.accept"}), kind="websocket")
    assert [message["type"] for message in exchange.sent] == ["websocket.accept", "websocket.close"]
    assert exchange.sent[1]["code"] == 1011


def test_an_error_after_a_websocket_was_closed_sends_nothing_more() -> None:
    closed: list[Message] = [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 4401}]
    assert ask(fails(RuntimeError(CANARY), *closed), kind="websocket").sent == closed


# --- the access line --------------------------------------------------------------------------------------------------


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == "Request"]


@pytest.mark.parametrize("inner", [answers(204), fails(RuntimeError())], ids=["answered", "failed"])
def test_every_request_is_one_line_with_a_scrubbed_path(
    inner: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "skillport.access"):
        status = ask(inner, path=f"/api/install/{TOKEN}").status
    (line,) = lines(caplog)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/install/[hidden]", status)
    assert line["milliseconds"] >= 0
    assert not any(TOKEN in str(value) for value in line.values())


def test_a_refused_host_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "skillport.access"):
        ask(never, host="evil.example")
    assert [line["status"] for line in lines(caplog)] == [421]


# --- at most so many --------------------------------------------------------------------------------------------------


def test_never_more_than_the_limit_are_inside_at_once() -> None:
    assert asyncio.run(crowd(lambda inner: AtMost(inner, limit=3), visitors=20)) == (3, 20)


def test_without_the_limit_they_would_all_be_inside() -> None:
    """The twin."""
    assert asyncio.run(crowd(lambda inner: inner, visitors=20)) == (20, 20)


async def crowd(wrap: Callable[[Application], Application], visitors: int) -> tuple[int, int]:
    """Let many in, every third of them failing; give the most that were inside at once, and how many there were."""
    inside = most = seen = 0

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside, most, seen
        inside, seen = inside + 1, seen + 1
        most = max(most, inside)
        try:
            for _ in range(visitors):
                await asyncio.sleep(0)  # let everybody come in who may
            if seen % 3 == 0:
                raise ValueError
        finally:
            inside -= 1

    application = wrap(inner)
    unused: Any = None
    visits: list[Awaitable[None]] = [application({}, unused, unused) for _ in range(visitors)]
    await asyncio.gather(*visits, return_exceptions=True)
    return most, seen
