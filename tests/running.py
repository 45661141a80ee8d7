"""Skillport as it runs: one uvicorn on the real entry point, and the real worker, for all tests that need them.

With REDIS_URL the worker is a process of its own, as in production; without, it is the one that the demo embeds.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from django.conf import settings
from django.db import DatabaseError, connection

from marketplaces.models import ExternalSource, MirrorState, RunState, SyncRun
from marketplaces.services import queue
from skillport.celery import app as celery
from skillport.embedded.worker import EmbeddedWorker
from skillport.scoping import across_organizations
from tests.addresses import application_url
from tests.waiting import until


class Running:
    """What is running."""

    def wait_until_idle(self) -> None:
        """Wait for syncs that are under way, so that the next test begins with nothing running."""
        until(lambda: not self._busy())

    def _busy(self) -> bool:
        with across_organizations(reason="tests wait for syncs"):
            runs = SyncRun.objects.all_organizations()
            mirrors = ExternalSource.objects.all_organizations().filter(state=MirrorState.RUNNING)
            return runs.filter(state__in=[RunState.QUEUED, RunState.RUNNING]).exists() or mirrors.exists()


@contextmanager
def running() -> Iterator[Running]:
    # The entry point sets Django up and builds the protocol server, so it is imported when it is wanted.
    from skillport.asgi import application

    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host="127.0.0.1",
            port=settings.SERVER_PORT,
            log_config=None,
            ws="websockets-sansio",
            timeout_graceful_shutdown=20,
        )
    )
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    try:
        with _worker_process() if settings.REDIS_URL else _embedded_worker():
            until(lambda: server.started)
            yield Running()
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def _embedded_worker() -> Iterator[None]:
    worker = EmbeddedWorker()
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def _sweep_until(stopping: threading.Event) -> None:
    """Do what beat does beside a worker in production: a hint that gets lost is sent again."""
    while not stopping.wait(5):
        try:
            queue.sweep()
        except DatabaseError:
            pass  # a test takes the database away; the next sweep finds it again
        finally:
            connection.close()


@contextmanager
def _worker_process() -> Iterator[None]:
    """Run `celery worker` on the test database, over Redis."""
    celery.control.purge()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "skillport.settings",
        "DATABASE_URL": application_url(connection.settings_dict),
    }
    arguments = ["-A", "skillport", "worker", "--pool", "threads", "--concurrency", "2", "--without-gossip"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", *arguments], env=environment, cwd=settings.BASE_DIR
    )
    stopping = threading.Event()
    clock = threading.Thread(target=_sweep_until, args=(stopping,), daemon=True)
    try:
        until(lambda: celery.control.ping(timeout=0.2), 120)
        clock.start()
        yield
    finally:
        stopping.set()
        process.terminate()
        process.wait(timeout=60)
