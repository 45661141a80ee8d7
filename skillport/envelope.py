"""What surrounds every request, whoever answers it: Django, the connector or a websocket.

Pure ASGI, because Django's own middleware would cost the connector more than the protocol does.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from skillport.database_away import AWAY
from skillport.errors import InternalError, SkillportError, Unavailable
from skillport.logs import request_id, scrub

logger = logging.getLogger("skillport.access")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBES: Final = {"/livez", "/readyz"}  # asked by address, not by name: `skillport/probes.py` answers them
# No inline script or style on any page, nothing from elsewhere, and nobody may frame us.
_CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    b"content-security-policy": _CONTENT_SECURITY_POLICY,
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-store, private",
}
# For what keeps answers although it was told not to.
_VARY: Final = (b"vary", b"Authorization, Cookie")


class WrongHost(SkillportError):
    code = "wrong_host"
    status = 421
    message = "This server does not answer for that host name. Use the address that you were given."


class BadAddress(SkillportError):
    """PostgreSQL stores a NUL character nowhere, so nothing can have such a name."""

    code = "bad_address"
    status = 400
    message = "This address holds a NUL character. No name has one: leave it out."


class Envelope:
    """Request id, Host check, security headers, access line, and a JSON answer to what nobody else caught."""

    def __init__(self, application: Application, *, host: str) -> None:
        self._application = application
        self._host = host.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._application(scope, receive, send)
            return
        request_id.set(uuid.uuid4().hex)
        answer = _Answer(send)
        began = time.perf_counter()
        try:
            await self._pass_on(scope, receive, answer)
        finally:
            logger.info(
                "Request",
                extra={
                    "method": scope.get("method", scope["type"]),
                    "path": scrub(scope["path"]),
                    "status": answer.status,
                    "milliseconds": round((time.perf_counter() - began) * 1000, 1),
                },
            )

    async def _pass_on(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if host.lower() != self._host and scope["path"] not in PROBES:
            await answer.refuse(scope, WrongHost())
            return
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            await answer.refuse(scope, BadAddress())
            return
        try:
            await self._application(scope, receive, answer)
        except SkillportError as error:
            await answer.refuse(scope, error)
        except AWAY:
            logger.exception("The database is away")
            await answer.refuse(scope, Unavailable())
        except Exception:
            logger.exception("Unhandled error")
            await answer.refuse(scope, InternalError())


class _Answer:
    """Passes an answer on, with the envelope's headers; remembers whether it began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self._closed = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name, value) for name, value in _HEADERS.items() if name not in present]
            if b"cache-control" not in present:
                added.append(_VARY)
            own = (b"x-request-id", request_id.get().encode())
            message = {**message, "headers": [*message.get("headers", []), *added, own]}
        self._closed = self._closed or message["type"] == "websocket.close"
        await self._send(message)

    async def refuse(self, scope: Scope, error: SkillportError) -> None:
        """Answer with an error, unless an answer has already begun."""
        if scope["type"] == "websocket":
            if not self._closed:
                await self._send({"type": "websocket.close", "code": 1011})
            return
        if self.status:
            return
        await send_json(self, error.status, error.as_json(), error.headers)


class AtMost:
    """Lets a fixed number of requests into an application at once; the others wait their turn.

    Each of Django's requests holds a thread and a connection, so more at once would only fail later. An answer is
    taken whole and sent after its place is free again: how fast a client reads is nobody else's business.
    """

    def __init__(self, application: Application, *, limit: int) -> None:
        self._application = application
        self._places = asyncio.Semaphore(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        async with self._places:
            await self._application(scope, receive, keep)
        for message in answer:
            await send(message)


class AtMostAsTheyCome:
    """Lets a fixed number of requests into an application at once, and passes their answers on piece by piece.

    For what waits long for somebody else and holds no connection meanwhile: beside `AtMost`, so that it holds up only
    its own kind. Answers have to be short, because a client that reads slowly keeps its place.
    """

    def __init__(self, application: Application, *, limit: int) -> None:
        self._application = application
        self._places = asyncio.Semaphore(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._places:
            await self._application(scope, receive, send)


async def send_json(send: Send, status: int, told: object, headers: Mapping[str, str] = {}) -> None:
    """Send a whole answer: `told` as JSON."""
    body = json.dumps(told).encode()
    sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
