"""A server is told to stop while clients hold requests open that they never end."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.demo.processes import started
from tests.deploy.production import web
from tests.half_open import client, waiting_for_bodies


@contextlib.contextmanager
def clients_that_never_end(port: int) -> Iterator[None]:
    """Open requests without their body, one with half of its body, one with half of its head, and one with nothing."""
    with (
        waiting_for_bodies(port, 10),
        client(port) as half_body,
        client(port) as half_head,
        client(port),
    ):
        half_body.begin("POST /api/v1/install/redeem", "Content-Length: 100")
        half_body.socket.sendall(b'{"token":')
        half_head.socket.sendall(b"GET / HTTP/1.1\r\nHost: half")
        yield


def test_the_demo_stops_whatever_clients_hold_open(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with started(tmp_path) as demo:
            demo.wait_for("Ctrl-C stops everything")
            with clients_that_never_end(demo.port):
                assert demo.end(number) == 0


def test_the_web_process_of_production_stops_before_it_is_killed(transactional_db: None) -> None:
    with web() as port, clients_that_never_end(port):
        pass
