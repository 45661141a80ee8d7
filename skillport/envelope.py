"""What surrounds every request, whoever answers it: Django, the connector or a websocket.

Pure ASGI, because Django's own middleware would cost the connector more than the protocol does.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from skillport.logs import request_id, scrub

logger = logging.getLogger("skillport.access")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_PROBES: Final = {"/livez", "/readyz"}  # asked by address, not by name
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
AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)


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
        if host.lower() != self._host and scope["path"] not in _PROBES:
            await answer.refuse(scope, 421, "wrong_host", "This server does not answer for that host name.")
            return
        try:
            await self._application(scope, receive, answer)
        except AWAY:
            logger.exception("The database is away")
            await answer.refuse(
                scope, 503, "unavailable", "Skillport cannot reach its database. Try again in a few seconds."
            )
        except Exception:
            logger.exception("Unhandled error")
            await answer.refuse(
                scope,
                500,
                "internal_error",
                "Something went wrong inside Skillport. The log has the details.",
            )


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
            own = (b"x-request-id", request_id.get().encode())
            message = {**message, "headers": [*message.get("headers", []), *added, own]}
        self._closed = self._closed or message["type"] == "websocket.close"
        await self._send(message)

    async def refuse(self, scope: Scope, status: int, code: str, text: str) -> None:
        """Answer with an error, unless an answer has already begun."""
        if scope["type"] == "websocket":
            if not self._closed:
                await self._send({"type": "websocket.close", "code": 1011})
            return
        if self.status:
            return
        body = json.dumps({"error": {"code": code, "message": text}}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 503:
            headers.append((b"retry-after", b"5"))
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


class AtMost:
    """Lets a fixed number of requests into an application at once; the others wait their turn.

    Each of Django's requests holds a thread and a connection, so more at once would only fail later.
    """

    def __init__(self, application: Application, *, limit: int) -> None:
        self._application = application
        self._places = asyncio.Semaphore(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._places:
            await self._application(scope, receive, send)
