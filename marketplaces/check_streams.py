"""Tell the steps of a check as they end: one JSON value a line (application/x-ndjson), the last says whether it passed."""

import asyncio
import contextlib
import contextvars
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from django.db import connection
from django.http import StreamingHttpResponse

from marketplaces.services.checking import Check
from marketplaces.services.steps import Step, StepState

logger = logging.getLogger(__name__)

LINES: Final = "application/x-ndjson"
Shape = Callable[[Step], dict[str, Any]]


def wants_lines(accept: str) -> bool:
    """Tell whether a client asks, in its Accept header, to be told of each step."""
    return LINES in accept


def lines_of(check: Check, shape: Shape) -> StreamingHttpResponse:
    """Answer with a line for each step and `{"passed": …}` at the end. Whoever leaves ends the check."""
    # nginx would keep the lines back until the last one.
    return StreamingHttpResponse(
        _lines(check, shape), content_type=LINES, headers={"X-Accel-Buffering": "no"}
    )


async def _lines(check: Check, shape: Shape) -> AsyncIterator[bytes]:
    told: asyncio.Queue[bytes | None] = asyncio.Queue()  # never longer than there are steps
    loop = asyncio.get_running_loop()

    def tell(line: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
            loop.call_soon_threadsafe(told.put_nowait, line)

    context = contextvars.copy_context()
    worker = threading.Thread(target=context.run, args=(_work, check, shape, tell), name="check", daemon=True)
    worker.start()
    try:
        while (line := await told.get()) is not None:
            yield line
    finally:
        check.stop()


def _work(check: Check, shape: Shape, tell: Callable[[bytes | None], None]) -> None:
    """Carry the check out in a thread of its own: it waits for git and for a host."""
    passed = False
    try:
        for step in check:
            passed = step.state is not StepState.FAILED
            tell(_line(shape(step)))
        tell(_line({"passed": passed}))
    except Exception:
        logger.exception("A check could not be told")
    finally:
        connection.close()
        tell(None)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
