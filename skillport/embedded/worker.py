"""A Celery worker and its clock in threads of this process, for the demo and the tests."""

import threading
from typing import Any

from celery.beat import EmbeddedService
from celery.signals import worker_init, worker_shutting_down

from skillport.celery import app


class EmbeddedWorker:
    """The same tasks and the same beginning and end as in production, over Celery's in-memory broker."""

    def __init__(self) -> None:
        # Not `app.Worker`: that one wants the main thread, for its signal handlers. So its two signals are ours to send.
        self._worker = app.WorkController(
            pool="threads", concurrency=2, without_gossip=True, without_mingle=True, without_heartbeat=True
        )
        self._thread = threading.Thread(target=self._worker.start, name="worker", daemon=True)
        self._beat: Any = EmbeddedService(app, thread=True, scheduler_cls="celery.beat.Scheduler")

    def start(self) -> None:
        """Begin to work. What a killed process of the same name left behind is ended and taken up again."""
        worker_init.send(sender=self._worker)
        self._thread.start()
        self._beat.start()

    def stop(self) -> None:
        """End a running sync (its run goes back into the queue), the clock and the worker, in this order."""
        worker_shutting_down.send(sender=self._worker)
        self._beat.service.stop()  # without waiting for its next tick: it keeps nothing
        self._worker.terminate()
