"""A million reads by 64 threads on a pool of 4 connections: none may carry another organization's id.

    python -m tests.benchmarks.connection_bleed [--reads 1000000] [--seconds 1200]

The threads alternate between organizations, roll back, fail inside blocks and kill each other's backends
(`tests/faults/connection_bleed.py`). It stops by itself at the first foreign row, or when its time is over.
"""

import argparse
import logging
import sys
import time

from tests.benchmarks.deployment import database


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--pool", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1200)
    given = parser.parse_args()
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of every killed connection
    with database():
        # Models can be imported only once Django is set up.
        from tests.faults.connection_bleed import make_organizations, watch

        began = time.monotonic()
        seen = watch(
            make_organizations(), reads=given.reads, threads=given.threads, pool=given.pool, seconds=given.seconds,
            tell=lambda so_far: print(f"{so_far.reads:,} reads, {time.monotonic() - began:.0f} s", flush=True),
        )  # fmt: skip
        seconds = time.monotonic() - began
    told = {what: f"{number:,}" for what, number in sorted(seen.counted.items())}
    print(f"{given.threads} threads on {given.pool} connections in {seconds:.0f} s: {told}")
    print(
        f"reads that carried another organization's id: {len(seen.foreign)}; unexpected: {len(seen.unexpected)}"
    )
    for line in (seen.foreign + seen.unexpected)[:20]:
        print(f"  {line}")
    good = not seen.foreign and not seen.unexpected and seen.reads >= given.reads
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
