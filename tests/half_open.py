"""Requests that a client begins and does not end, written by hand to a running server."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

REDEEM = "POST /api/v1/install/redeem"


@dataclass
class Client:
    """One connection. `answer` gives the next answer's status, headers and JSON."""

    socket: socket.socket
    incoming: BinaryIO
    port: int

    def begin(self, request: str, *headers: str) -> None:
        """Send a request's head."""
        lines = [
            f"{request} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            *headers,
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of the next answer: its status and its headers."""
        status = int(self.incoming.readline().split()[1])
        headers = {}
        while line := self.incoming.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Read the next answer whole."""
        status, headers = self.head()
        return status, headers, json.loads(self.incoming.read(int(headers["content-length"])))


@contextlib.contextmanager
def client(port: int, *, receive_bytes: int | None = None) -> Iterator[Client]:
    """Connect to the server on loopback; `receive_bytes` makes this side's own buffer small."""
    with socket.socket() as connection:
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        with connection.makefile("rb") as incoming:
            yield Client(connection, incoming, port)


@contextlib.contextmanager
def waiting_for_bodies(port: int, number: int) -> Iterator[list[Client]]:
    """Let so many POSTs wait inside the server for a body that never comes."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client(port)) for _ in range(number)]
        for one in clients:
            one.begin(REDEEM, "Content-Length: 100", "Expect: 100-continue")
        yield clients
