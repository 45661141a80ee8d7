"""No child outlives what it was started for, not even when we are killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplaces.git.errors import GitStopped
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from tests.marketplaces.git.watching import Watched, is_alive, members, needs_proc

pytestmark = needs_proc

FAMILY = ["/bin/sh", "-c", "sleep 60 & sh -c 'sleep 60 & wait' & echo started; wait"]
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def processes(records: Path) -> Processes:
    return Processes(records)


@contextlib.contextmanager
def family(processes: Processes) -> Iterator[list[Watched]]:
    """Run a child that has children and a grandchild; gives all four."""
    with processes.started(FAMILY, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        yield [Watched(pid) for pid in _all_of(child.pid)]


def _all_of(group: int) -> list[int]:
    """Wait until the inner shell has started its own child: the group is complete then."""
    while len(found := members(group)) < 4:
        assert is_alive(group)
    return found


class Unexpected(Exception):
    pass


def test_a_child_and_its_grandchildren_end_when_the_block_is_left_by_an_exception(
    processes: Processes, records: Path
) -> None:
    watched: list[Watched] = []
    with contextlib.suppress(Unexpected), family(processes) as found:
        watched += found
        assert len(list(records.iterdir())) == 1
        raise Unexpected
    assert [one.ends_within(30) for one in watched] == [True] * 4
    assert list(records.iterdir()) == []


def test_grandchildren_end_even_when_the_child_ended_well(processes: Processes, records: Path) -> None:
    with processes.started(["/bin/sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        left_behind = Watched(int(child.stdout.readline()))
        assert child.wait() == 0
    assert left_behind.ends_within(30)
    assert list(records.iterdir()) == []


def test_stopping_ends_every_running_group(processes: Processes, records: Path) -> None:
    with contextlib.ExitStack() as stack:
        watched = [one for _ in range(3) for one in stack.enter_context(family(processes))]
        assert len(list(records.iterdir())) == 3
        processes.stop()
        assert [one.ends_within(30) for one in watched] == [True] * 12
    assert list(records.iterdir()) == []


def test_what_is_started_after_the_stop_is_ended_at_once(processes: Processes, bare: Path) -> None:
    processes.stop()
    with processes.started(["/bin/sleep", "60"]) as child:
        assert child.wait(timeout=30) == -signal.SIGKILL
    with pytest.raises(GitStopped):
        GitProgram(processes).run(bare, "cat-file", "--batch-all-objects", "--batch-check")


def test_a_program_that_cannot_be_started_leaves_no_record(processes: Processes, records: Path) -> None:
    with pytest.raises(FileNotFoundError), processes.started(["/nonexistent"]):
        pass
    assert not records.exists() or list(records.iterdir()) == []


def test_a_child_whose_record_cannot_be_written_is_ended(tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    with (tmp_path / "pid").open("w+") as told:
        with (
            pytest.raises(OSError, match="a file"),
            Processes(in_the_way).started(["/bin/sh", "-c", "echo $$; exec sleep 60"], stdout=told),
        ):
            pass
        told.seek(0)
        assert not (written := told.read()) or not is_alive(int(written))


KILLED = """
import subprocess, sys
from pathlib import Path
from marketplaces.git.processes import Processes
with Processes(Path(sys.argv[1])).started(sys.argv[2:], stdout=subprocess.PIPE) as child:
    child.stdout.readline()
    print(child.pid, flush=True)
    child.wait()
"""


@contextlib.contextmanager
def left_by_a_killed_process(records: Path) -> Iterator[int]:
    """Let another process start a family and kill it; gives the group that it left behind."""
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(records), *FAMILY], cwd=CHECKOUT, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    with worker.stdout:
        group = int(worker.stdout.readline())
        _all_of(group)
        worker.kill()
        assert worker.wait() == -signal.SIGKILL
    try:
        yield group
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def test_what_a_killed_process_left_behind_is_ended_at_the_next_start(
    processes: Processes, records: Path
) -> None:
    with left_by_a_killed_process(records) as group:
        assert len(members(group)) == 4
        watched = [Watched(pid) for pid in members(group)]
        processes.end_leftovers()
        assert [one.ends_within(30) for one in watched] == [True] * 4
        assert list(records.iterdir()) == []


def test_a_stranger_that_was_given_the_same_number_is_left_alone(processes: Processes, records: Path) -> None:
    stranger = subprocess.Popen(["/bin/sleep", "60"], process_group=0)
    try:
        records.mkdir()
        began = Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19]
        for written in ("1", str(int(began) - 1), "", f"{began} "):
            (records / str(stranger.pid)).write_text(written)
            processes.end_leftovers()
            assert list(records.iterdir()) == []
            with pytest.raises(subprocess.TimeoutExpired):
                stranger.wait(timeout=0.05)
        (records / str(stranger.pid)).write_text(began)
        processes.end_leftovers()
        assert stranger.wait(timeout=30) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait()


def test_records_of_processes_that_are_gone_and_files_of_others_are_cleared_away(
    processes: Processes, records: Path
) -> None:
    processes.end_leftovers()
    records.mkdir()
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    for name in (str(gone.pid), "0", "-1", "1.tmp", "٣", ".DS_Store"):
        (records / name).write_text("1")
    processes.end_leftovers()
    assert list(records.iterdir()) == []
