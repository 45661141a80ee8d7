"""Watch an organization's syncs over a websocket, as pages and programs do."""

import json
from typing import Any

from websockets.sync.client import ClientConnection

WITHIN = 60  # seconds


def frame(socket: ClientConnection) -> dict[str, Any]:
    """Give the next frame."""
    found: dict[str, Any] = json.loads(socket.recv(timeout=WITHIN))
    return found


def present_state(socket: ClientConnection) -> list[dict[str, Any]]:
    """Read what a watcher is told first, and give the frames of the runs that are open."""
    found = []
    while "open" not in (told := frame(socket)):
        found.append(told)
    return found
