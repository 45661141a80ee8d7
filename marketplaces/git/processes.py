"""Child processes of git, each in its own group, remembered on disk so that none outlives us for long.

A child of a killed process goes on working. So each group is written down with the time it began, and the next
start ends those that are still the same process.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Processes:
    """The process groups of this process, recorded in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    @contextlib.contextmanager
    def started(self, arguments: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program in its own group; whatever happens inside the block, the group is gone after it."""
        child = subprocess.Popen(arguments, process_group=0, **options)
        record = self._folder / str(child.pid)
        try:
            self._remember(child.pid, record)
            yield child
        finally:
            with self._lock:
                self._running.discard(child.pid)
            _end_group(child.pid)
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            child.wait()
            record.unlink(missing_ok=True)

    @staticmethod
    def end(child: subprocess.Popen[bytes]) -> None:
        """End a child and all that it has started."""
        _end_group(child.pid)

    def stop(self) -> None:
        """End every running group, and those that are about to start."""
        self.stopping.set()
        with self._lock:
            running = list(self._running)
        for pid in running:
            _end_group(pid)

    def end_leftovers(self) -> None:
        """End the groups that a killed process left behind. Call once, before anything is started."""
        if not self._folder.exists():
            return
        for record in self._folder.iterdir():
            pid = int(record.name) if record.name.isdigit() else 0
            began = _began_at(pid) if pid else None
            if began is not None and began == record.read_text():
                _end_group(pid)
            record.unlink(missing_ok=True)

    def _remember(self, pid: int, record: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        record.write_text(_began_at(pid) or "")
        with self._lock:
            self._running.add(pid)
        if self.stopping.is_set():
            _end_group(pid)


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _began_at(pid: int) -> str | None:
    """Give the time at which a process began, in whatever form this system has it: it tells namesakes apart."""
    try:
        # After the name in parentheses, which may hold anything, the start time is field 22 of proc(5).
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
