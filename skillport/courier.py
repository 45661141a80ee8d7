"""Errands that nobody waits for: a message to another process that may be late, or lost, without any harm."""

import logging
import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Final

logger = logging.getLogger(__name__)

_MOST_WAITING: Final = 200


class Courier:
    """Runs errands one after the other, in a thread of its own that never keeps the process from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: Queue[Callable[[], object]] = Queue(_MOST_WAITING)
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, errand: Callable[[], object]) -> None:
        """Take on an errand; it is lost when too many wait already."""
        with self._beginning:
            if self._thread is None or not self._thread.is_alive():  # a process that was forked begins anew
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(errand)
        except Full:
            logger.warning("An errand was dropped", extra={"courier": self._name})

    def _run(self) -> None:
        while True:
            errand = self._waiting.get()
            try:
                errand()
            except Exception:
                logger.warning("An errand failed", extra={"courier": self._name}, exc_info=True)
