"""Requests through an envelope around a tiny application, as pure ASGI messages."""

import asyncio
from dataclasses import dataclass, field

from skillport.envelope import Application, Envelope, Message, Receive, Scope, Send

HOST = "skills.example.org:8443"


@dataclass
class Exchange:
    """What came out of one request."""

    sent: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def ask(inner: Application, *, path: str = "/x", host: str | None = HOST, kind: str = "http") -> Exchange:
    """Send one request through an envelope around `inner`."""
    exchange = Exchange()
    headers = [] if host is None else [(b"host", host.encode())]
    scope = {"type": kind, "method": "GET", "path": path, "headers": [(b"accept", b"*/*"), *headers]}
    if kind == "websocket":
        del scope["method"]

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        exchange.sent.append(message)

    asyncio.run(Envelope(inner, host=HOST)(scope, receive, send))
    return exchange


def answers(status: int = 200, *headers: tuple[bytes, bytes]) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"inner"})

    return application


def fails(error: Exception, *before: Message) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for message in before:
            await send(message)
        raise error

    return application


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the inner application was called")
