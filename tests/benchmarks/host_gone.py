"""What members notice while the git host is gone: the 95th percentile of their reads, beside the same with the host there.

    python -m tests.benchmarks.host_gone [--rounds 20] [--reads 400]

Rounds with the host and rounds without it take turns, so that whatever else the machine does falls on both. In all of them syncs
are asked for, one after the other, and a worker does them. The goal: a change of less than a tenth.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.benchmarks.deployment import deployment, publish_something

_MOST = 1.10
_LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_skills", "arguments": {}},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--reads", type=int, default=400)
    given = parser.parse_args()
    taken: dict[bool, list[float]] = {True: [], False: []}
    with deployment(server_processes=1) as here:
        from tests.cast import key_of

        cast = publish_something(here.folder)
        headers = {"Authorization": f"Bearer {key_of(cast.bob)}", "Accept": "application/json"}
        with httpx2.Client(base_url=here.site_url, headers=headers, trust_env=False, timeout=30) as client:
            _read(client, given.reads)
            for number in range(2 * given.rounds):
                is_there = number % 2 == 0
                with _host(here.folder, is_there), _syncs(cast, is_there):
                    taken[is_there] += _read(client, given.reads)
    with_host, without = (_p95(taken[is_there]) for is_there in (True, False))
    print(f"{2 * given.rounds * given.reads} reads, half of them without a git host; none failed")
    print(
        f"95th percentile without the host: {without / with_host:.3f} of what it is with it (goal: < {_MOST})"
    )
    return 0 if without < _MOST * with_host else 1


def _read(client: httpx2.Client, reads: int) -> list[float]:
    """Read over the connector and over REST by turns. Gives the seconds that each read took."""
    taken = []
    for number in range(reads):
        began = time.perf_counter()
        answer = (
            client.post("/acme/mcp", json=_LIST) if number % 2 else client.get("/acme/api/v1/skills/hello")
        )
        taken.append(time.perf_counter() - began)
        if answer.status_code != 200 or "hello" not in answer.text:
            raise RuntimeError(f"a read failed: {answer.status_code} {answer.text[:200]}")
    return taken


@contextmanager
def _host(folder: Path, is_there: bool) -> Iterator[None]:
    """Let the git host be there, or not."""
    import os

    from skillport.demo.git_host import GitHost

    if not is_there:
        yield
        return
    host = GitHost(folder / "git-host", int(os.environ["SKILLPORT_BENCHMARK_GIT_PORT"]))
    host.start()
    try:
        yield
    finally:
        host.stop()


@contextmanager
def _syncs(cast: Any, is_there: bool) -> Iterator[None]:
    """Sync the marketplace again and again while the block runs; each sync must end as the host lets it."""
    from django.db import connection

    from marketplaces.models import Marketplace
    from marketplaces.services.worker import this_worker
    from skillport.scoping import within
    from tests.publishing import sync_now

    with within(cast.acme):
        marketplace_id = Marketplace.objects.for_organization(cast.acme).get().pk
    ended, states = threading.Event(), set()

    def work() -> None:
        try:
            while not ended.wait(0.05):
                states.add(sync_now(cast.alice, marketplace_id, this_worker()).state)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()
    if states != ({"unchanged"} if is_there else {"failed"}):
        raise RuntimeError(f"syncs ended as {states}")


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
