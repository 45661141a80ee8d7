"""A worker in a process of its own, which can be killed at any moment.

Started once, it forks a child for each command, so that thirty starts cost no thirty set-ups. Reads lines from
stdin: `<organization id> <sync run id> <milliseconds until SIGKILL, or 0>`; answers with one line for each child:
`killed` or `ended`.
"""

import os
import signal
import sys
import time
from uuid import UUID

import django


def main() -> None:
    django.setup()
    # What a child needs is loaded before the first fork, and no connection is open yet.
    from marketplaces.services import leases, sync
    from marketplaces.services.worker import this_worker

    for line in sys.stdin:
        organization_id, sync_run_id, milliseconds = line.split()
        child = os.fork()
        if child == 0:
            try:
                worker = this_worker()
                worker.git.processes.end_leftovers()
                leases.release_those_of(worker.name)
                sync.run(organization_id=UUID(organization_id), sync_run_id=int(sync_run_id), worker=worker)
            finally:
                os._exit(0)
        print(_wait(child, int(milliseconds)), flush=True)  # noqa: T201 the answer to the command


def _wait(child: int, milliseconds: int) -> str:
    ends_at = time.monotonic() + (milliseconds / 1000 if milliseconds else 60)
    while time.monotonic() < ends_at:
        if os.waitpid(child, os.WNOHANG)[0]:
            return "ended"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"


if __name__ == "__main__":
    main()
