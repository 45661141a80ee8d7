"""Every stranger at every address, tool, socket and task, with every id and name of the other organization.

    python -m tests.benchmarks.isolation [--processes 2] [--quick]

Two organizations look alike, the first is full of canaries (`tests/isolation/`). At least 50,000 requests go to the real
server, in processes of its own; each is compared, byte for byte, with the same request for what nobody has. Then the log,
the mails, and what the database holds are looked through. Ends with 1 when anything is wrong; stops by itself.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tests.benchmarks.deployment import Deployment, deployment

ENOUGH = 50_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="only the sample that the tests try")
    given = parser.parse_args()
    with deployment(server_processes=given.processes, log_level="INFO") as here:
        return _try_everything(here, quick=given.quick)


def _try_everything(here: Deployment, *, quick: bool) -> int:
    # Models can be imported only once Django is set up.
    from marketplaces.services.worker import this_worker
    from skillport.demo.git_host import GitHost
    from tests.isolation.asking import Asker
    from tests.isolation.beside import forged_messages, our_tasks, what_a_socket_says
    from tests.isolation.canaries import CANARY
    from tests.isolation.cases import A_SAMPLE, EVERYTHING, outsiders
    from tests.isolation.everything import look_around, run
    from tests.isolation.harvest import empty_tables, fingerprint
    from tests.isolation.world import ABSENT, OURS, make_world

    host = GitHost(here.folder / "git-host", int(os.environ["SKILLPORT_BENCHMARK_GIT_PORT"]))
    host.start()
    try:
        world = make_world(host, this_worker())
    finally:
        host.stop()
    known = look_around(world)
    before = fingerprint(world.ours.organization)
    began = time.monotonic()
    print(
        f"{len(known.routes)} addresses; {len(known.ours)} ids and names, {len(known.only_ours)} only of the first"
    )
    with Asker() as asker:
        outcome = run(world, known, asker, A_SAMPLE if quick else EVERYTHING, tell=_tell)
    for name, message in forged_messages(known.ours, world.theirs.organization.pk):
        our_tasks()[name].run(**message)
    for caller in outsiders(world):
        for address in ("/ws/{org}/sync",):
            answer = what_a_socket_says(caller, OURS, address)
            if answer[0] == "opened" or answer != what_a_socket_says(caller, ABSENT, address):
                outcome.differences.append(f"{caller.name}: {address} {answer}")
    outcome.leaks += _said(here.folder / "said", CANARY, world.secrets, outcome.sent)
    outcome.differences += [f"nothing of ours in {table}" for table in empty_tables(world.ours.organization)]
    changed = [table for table, now in fingerprint(world.ours.organization).items() if before[table] != now]
    print(
        f"{outcome.requests:,} requests in {time.monotonic() - began:.0f} s: {dict(sorted(outcome.statuses.items()))}"
    )
    print(
        f"leaks: {len(outcome.leaks)}; told foreign from missing: {len(outcome.differences)}; changed: {changed}"
    )
    for problem in outcome.problems[:40]:
        print(f"  {problem}")
    enough = outcome.requests >= ENOUGH or quick
    good = enough and not outcome.problems and not changed and not outcome.statuses[500]
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


def _tell(part: str, requests: int, seconds: float) -> None:
    print(f"  {part}: {requests:,} requests in {seconds:.0f} s", flush=True)


def _said(file: Path, canary: str, secrets: list[str], sent: list[str]) -> list[str]:
    """Look through the server's log and the mails of its console. Strangers name things in addresses: those are left out."""
    found = []
    for line in file.read_text(errors="replace").splitlines():
        words = [word for word in (canary, *secrets) if word in line]
        if words == [canary]:
            words = [canary] if canary in _without_address(line, sent) else []
        found += [f"the server said {word!r} in {line[:200]}" for word in words]
    return found


def _without_address(line: str, sent: list[str]) -> str:
    for word in sent:
        line = line.replace(word, "")
    try:
        told = json.loads(line)
    except ValueError:
        return line
    django = str(told.get("logger", "")).startswith("django.")
    return str(
        {
            name: value
            for name, value in told.items()
            if name not in {"path", "request"} and not (django and name == "event")
        }
    )


if __name__ == "__main__":
    sys.exit(main())
