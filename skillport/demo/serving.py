"""Run everything in one process, and stop it in the right order."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from django.core.management import call_command

from skillport.asgi import application
from skillport.demo.surroundings import Surroundings
from skillport.embedded.worker import EmbeddedWorker

_GRACE_SECONDS = 1


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: they raise the signal again before anything of ours could stop."""

    def __init__(self, config: uvicorn.Config, when_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_listening = when_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


def make_server(here: Surroundings, when_listening: Callable[[], None] = lambda: None) -> Server:
    configuration = uvicorn.Config(
        application, host="127.0.0.1", port=here.port, log_config=None, access_log=False, ws="websockets-sansio",
        timeout_graceful_shutdown=_GRACE_SECONDS, server_header=False,
    )  # fmt: skip
    return Server(configuration, when_listening)


@contextlib.contextmanager
def worker_running(here: Surroundings) -> Iterator[None]:
    """Migrate, then work until the block ends; whatever happens, everything that was started is stopped again.

    Order of stopping: git's process groups, the clock, the worker, the git host, PostgreSQL last.
    """
    worker = None
    try:
        call_command("migrate", verbosity=0)
        worker = EmbeddedWorker()
        worker.start()
        yield
    finally:
        if worker is not None:
            worker.stop()
        here.git_host.stop()
        if here.postgres is not None:
            here.postgres.stop()


@contextlib.contextmanager
def served(here: Surroundings) -> Iterator[None]:
    """Serve from a thread while the block runs."""
    server = make_server(here)
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield
    finally:
        server.stop()
        thread.join()


def stop_on_signals(server: Server) -> None:
    """Let INT and TERM end the server; what follows it then stops the rest."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
