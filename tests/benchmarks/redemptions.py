"""Many simultaneous redemptions of a few install tokens over HTTP: each token must be spent exactly once.

    python -m tests.benchmarks.redemptions [--attempts 10000] [--tokens 100] [--processes 4]

Every attempt has a connection of its own, all of them open at once. Beside it, in the same run, as many requests to
an address that touches no database are made the same way: the ratio of the two times is the figure to keep.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter

from tests.benchmarks.deployment import deployment, publish_something


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--processes", type=int, default=4)
    given = parser.parse_args()
    _raise_file_limit(given.attempts + 200)
    with deployment(server_processes=given.processes) as here:
        # Models can be imported only once Django is set up.
        from connector.install.install_tokens import issue_install_token

        cast = publish_something(here.folder)
        tokens = [
            issue_install_token(principal=cast.bob, name="hello").plain_secret for _ in range(given.tokens)
        ]
        anchor_seconds, anchor = asyncio.run(
            _all_at_once(here.port, [_get("/livez", here.port)] * given.attempts)
        )
        requests = [_redeem(tokens[n % len(tokens)], n, here.port) for n in range(given.attempts)]
        seconds, statuses = asyncio.run(_all_at_once(here.port, requests))
    spent = Counter(n % len(tokens) for n, status in enumerate(statuses) if status == 200)
    told = Counter(statuses)
    print(
        f"{given.attempts} simultaneous redemptions of {given.tokens} tokens: {dict(told)} in {seconds:.1f} s"
    )
    print(f"as many requests without a database: {dict(Counter(anchor))} in {anchor_seconds:.1f} s")
    print(
        f"ratio {seconds / anchor_seconds:.2f}; tokens spent exactly once: {sum(n == 1 for n in spent.values())}"
    )
    good = told == {200: given.tokens, 410: given.attempts - given.tokens} and set(spent.values()) == {1}
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


def _get(path: str, port: int) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()


def _redeem(token: str, number: int, port: int) -> bytes:
    body = json.dumps({"token": token, "redemption_key": f"attempt-{number}"}).encode()
    head = (
        f"POST /api/v1/install/redeem HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _all_at_once(port: int, requests: list[bytes]) -> tuple[float, list[int]]:
    """Open every connection first, then send every request; give the seconds that the answers took, and their status."""
    opening = asyncio.Semaphore(500)  # the kernel's queue of new connections is shorter than ten thousand

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with opening:
            return await asyncio.open_connection("127.0.0.1", port)

    async def ask(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> int:
        reader, writer = connection
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]) if answer else 0

    connections = await asyncio.gather(*(connect() for _ in requests))
    began = time.perf_counter()
    statuses = await asyncio.gather(*map(ask, connections, requests))
    return time.perf_counter() - began, list(statuses)


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
