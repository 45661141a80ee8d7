"""A worker in a process of its own, which can be killed at any moment.

Started once, it forks a child for each command, so that a hundred starts cost no hundred set-ups. Reads lines from stdin:
`<organization id> <sync run id> <when>`, where `<when>` is `never`, `12ms` after the start, or `step:12`, before the
twelfth thing that the sync does outside of its own memory. Answers with one line for each child: `killed`, or `ended` and
the number of steps that it took.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django
from django.db import connection

# Beside the statements to the database: programs that it starts, and what it does to the kept copy.
_STEPS = {"subprocess.Popen", "os.mkdir", "os.rename", "shutil.copytree", "shutil.rmtree"}


def main() -> None:
    django.setup()
    # What a child needs is loaded before the first fork, and no connection is open yet.
    from marketplaces.services import leases, sync
    from marketplaces.services.worker import this_worker

    for line in sys.stdin:
        organization_id, sync_run_id, when = line.split()
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                steps = _counted_steps(int(when.removeprefix("step:")) if when.startswith("step:") else 0)
                worker = this_worker()
                worker.git.processes.end_leftovers()
                leases.release_those_of(worker.name)
                sync.run(organization_id=UUID(organization_id), sync_run_id=int(sync_run_id), worker=worker)
                os.write(tell, b"ended %d" % steps())
            finally:
                os._exit(0)
        os.close(tell)
        _wait(child, int(when.removesuffix("ms")) / 1000 if when.endswith("ms") else 60)
        with os.fdopen(told, "rb") as said:
            print(said.read().decode() or "killed", flush=True)  # noqa: T201 the answer to the command


def _counted_steps(last: int) -> Callable[[], int]:
    """Count this thread's steps from now on, and die before the `last` one of them; 0 for never."""
    thread, taken = threading.get_ident(), 0

    def step() -> None:
        nonlocal taken
        if threading.get_ident() == thread:
            taken += 1
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute: Callable[..., Any], *arguments: Any) -> Any:
        step()
        return execute(*arguments)

    sys.addaudithook(lambda event, _: step() if event in _STEPS else None)
    connection.execute_wrappers.append(statement)
    return lambda: taken


def _wait(child: int, seconds: float) -> None:
    """Wait for the child to end, and kill it when it has not after so long."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
