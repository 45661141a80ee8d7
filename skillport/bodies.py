"""A request's body: read whole, within a size and a time, before anything is spent on the request."""

import asyncio
from typing import Final

from skillport.envelope import Application, Message, Receive, Scope, Send
from skillport.errors import SkillportError

LONGEST_BYTES: Final = 4 * 2**20
DEADLINE_SECONDS = 20.0  # for the whole body


class BodyTooLarge(SkillportError):
    code = "body_too_large"
    status = 413
    message = "What you send is larger than 4 MiB. Send less at once."


class BodyTooSlow(SkillportError):
    code = "body_too_slow"
    status = 408
    headers = {"connection": "close"}  # the rest of it may still come
    message = "What you send did not arrive in time. Send it again."


class WholeBody:
    """Calls an application once the body of its request is there; nobody is called when the client leaves before.

    Raises `BodyTooLarge` or `BodyTooSlow`.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(scope, receive)
        if body is not None:
            await self._application(_with_length(scope, len(body)), _given_once(body, receive), send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    if any(name == b"content-length" and int(value) > LONGEST_BYTES for name, value in scope["headers"]):
        raise BodyTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > LONGEST_BYTES:
                    raise BodyTooLarge
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise BodyTooSlow from None


def _with_length(scope: Scope, length: int) -> Scope:
    """Say how long the body is: REST framework takes one that came in pieces for none."""
    left_out = {b"content-length", b"transfer-encoding"}
    headers = [(name, value) for name, value in scope["headers"] if name not in left_out]
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())]}


def _given_once(body: bytes, receive: Receive) -> Receive:
    """Give the body as one message; what comes after it is the client's leaving."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
