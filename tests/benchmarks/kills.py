"""kill -9 of a worker at a hundred points of a sync, while members read: nobody may see half a snapshot.

    python -m tests.benchmarks.kills [--kills 100] [--reads 100000] [--skills 20] [--readers 2]

Every second kill comes at a step that the sync takes outside of its own memory (a statement to the database, a program that it
starts, a change to the kept copy), the first to the last in turn; the others at any time. Each time the next start has to
finish what the killed one began. Kills go on until there were as many of them and of the reads as asked for.
"""

import argparse
import sys
import time
from random import Random

from tests.benchmarks.deployment import database
from tests.ports import claim_ports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--reads", type=int, default=100_000)
    parser.add_argument("--skills", type=int, default=20)
    parser.add_argument("--readers", type=int, default=2)
    given = parser.parse_args()
    port = claim_ports()
    with database(SKILLPORT_OUTBOUND_ALLOW=f"http://127.0.0.1:{port}") as folder:
        # Models can be imported only once Django is set up.
        from skillport.demo.git_host import GitHost
        from tests.cast import make_cast
        from tests.faults.killed_worker import Kills, Seen, reading, worker_process
        from tests.repositories import Repository

        host = GitHost(folder / "git-host", port)
        host.start()
        host.make_repository("acme/skills")
        cast, seen, chance = make_cast(), Seen(), Random(1)
        began = time.monotonic()
        with worker_process(folder) as process:
            kills = Kills(cast.alice, Repository(host, "acme/skills"), process, given.skills)
            steps, milliseconds = kills.steps_of_a_sync(), kills.milliseconds_of_a_sync()
            print(f"a sync left in peace: {steps} steps, {milliseconds} ms", flush=True)
            with reading(cast.bob, given.skills, given.readers, seen) as reads:
                turn = 0
                while (seen.killed < given.kills or reads() < given.reads) and not seen.wrong:
                    if turn % 2:
                        kills.kill_at(f"{chance.randint(1, milliseconds)}ms", seen)
                    else:
                        kills.kill_at(f"step:{1 + turn // 2 % steps}", seen)
                    turn += 1
                    if turn % 25 == 0:
                        print(f"{seen.killed} kills, {reads():,} reads", flush=True)
        unfinished = kills.unfinished()
        seconds = time.monotonic() - began
        host.stop()
    print(
        f"{seen.killed} kills, {seen.unharmed} syncs were over before theirs, {seen.reads:,} reads in {seconds:.0f} s"
    )
    print(f"reads that saw half a snapshot: {len(seen.wrong)}; left unfinished: {len(unfinished)}")
    for line in (seen.wrong + unfinished)[:20]:
        print(f"  {line}")
    good = not seen.wrong and not unfinished
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
