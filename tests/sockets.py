"""Websockets, as the tests open them."""

from typing import Any

from websockets.sync.client import ClientConnection, connect


def open_socket(address: str, **given: Any) -> ClientConnection:
    """Connect to a websocket on loopback, without a proxy and without pings.

    Pings would end a connection to a machine that is busy for twenty seconds. Their thread also waits for the same other
    thread as whoever closes, and before Python 3.13 two that do so at once may both fail.
    """
    opened: ClientConnection = connect(address, proxy=None, ping_interval=None, **given)
    return opened
