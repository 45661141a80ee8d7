"""kill -9 at any step of a sync: readers see one commit or the other, whole, and the next start finishes."""

from pathlib import Path

from tests.cast import make_cast
from tests.faults.killed_worker import Kills, Seen, reading, worker_process
from tests.repositories import NewRepository

KILLS = 12


def test_a_killed_worker_leaves_no_half_snapshot_and_the_next_start_finishes(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository, tmp_path: Path
) -> None:
    cast, seen = make_cast(), Seen()
    with worker_process(tmp_path) as process:
        kills = Kills(cast.alice, new_repository({}), process)
        steps = kills.steps_of_a_sync()
        with reading(cast.bob, kills.skills, 1, seen):
            for number in range(KILLS):
                kills.kill_at(f"step:{1 + number * (steps - 1) // (KILLS - 1)}", seen)
    assert seen.wrong == []
    assert (seen.killed, seen.unharmed) == (KILLS, 0)
    assert seen.reads > KILLS
    assert kills.unfinished() == []
