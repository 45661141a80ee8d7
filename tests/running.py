"""Skillport as it runs: one uvicorn on the real entry point, and the real worker, for all tests that need them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from django.conf import settings

from marketplaces.models import RunState, SyncRun
from skillport.embedded.worker import EmbeddedWorker
from skillport.scoping import across_organizations
from tests.waiting import until


class Running:
    """What is running."""

    def wait_until_idle(self) -> None:
        """Wait for syncs that are under way, so that the next test begins with nothing running."""
        until(lambda: not self._busy())

    def _busy(self) -> bool:
        with across_organizations(reason="tests wait for syncs"):
            runs = SyncRun.objects.all_organizations()
            return runs.filter(state__in=[RunState.QUEUED, RunState.RUNNING]).exists()


@contextmanager
def running() -> Iterator[Running]:
    # The entry point sets Django up and builds the protocol server, so it is imported when it is wanted.
    from skillport.asgi import application

    server = uvicorn.Server(
        uvicorn.Config(
            application, host="127.0.0.1", port=settings.SERVER_PORT, log_config=None, ws="websockets-sansio"
        )
    )
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    worker = EmbeddedWorker()
    thread.start()
    worker.start()
    until(lambda: server.started)
    try:
        yield Running()
    finally:
        worker.stop()
        server.should_exit = True
        thread.join()
