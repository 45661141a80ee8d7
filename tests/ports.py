"""Ports for tests, which nobody else takes meanwhile.

A port that the kernel chose is one of those that it also gives to outgoing connections, so it may be gone before it is
used. These lie below that range (Linux: 32768 and up), and each is claimed for as long as the test process lives.
"""

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FIRST, _LAST = 20_000, 32_000


def claim_ports(count: int = 1) -> int:
    """Give the first of `count` free ports in a row, for TCP and UDP on loopback."""
    begin = (
        os.getpid() * 20 % (_LAST - _FIRST)
    )  # processes that start together begin to look at different places
    for offset in itertools.count(begin):
        ports = [_FIRST + (offset + number) % (_LAST - _FIRST) for number in range(count)]
        if ports == sorted(ports) and all(_claimed(port) and _is_free(port) for port in ports):
            return ports[0]
    raise AssertionError("unreachable")


@contextlib.contextmanager
def nobodys_port() -> Iterator[int]:
    """Give a port at which nobody listens. It is taken, so that nobody comes, and no connection to it meets itself."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def _claimed(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"skillport-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(port), os.O_WRONLY | os.O_CREAT)  # stays open: it is the claim
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        return False
    return True


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
