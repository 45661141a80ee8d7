"""A kept copy that is damaged, locked, taken over or broken off costs a cold fetch, never a marketplace."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marketplaces.git.errors import FetchFailed, RepositoryError
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from tests.marketplaces.git.builder import Content, Repository, connect, contents, packs
from tests.marketplaces.git.hosts import Relay

CHECKOUT = Path(__file__).parents[3]


def large_files() -> dict[str, Content]:
    return {f"f{number}": os.urandom(5000) for number in range(20)}


def taken_over(copy: KeptCopy, program: GitProgram, fence: int) -> KeptCopy:
    return KeptCopy(copy.path.parent, fence=fence, program=program, blob_limit=10_000)


@pytest.mark.parametrize("lock", ["shallow.lock", "refs/skillport/head.lock"])
def test_a_lock_that_a_killed_git_left_behind_is_got_over(
    repository: Repository, copy: KeptCopy, program: GitProgram, lock: str
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    (copy.path / lock).touch()
    commit = repository.commit({"a": b"2"})
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"a": b"2"}


# git 2.39 does not fail on such a pack, it crashes; a crash was taken for a stop, so that the copy was kept for ever.
@pytest.mark.parametrize("left", [0, 12, -60, -1])
def test_a_truncated_pack_is_got_over(
    repository: Repository, copy: KeptCopy, program: GitProgram, left: int
) -> None:
    files = large_files()
    copy.fetch(repository.commit(files), repository.connection)
    (pack,) = (copy.path / "objects" / "pack").glob("*.pack")
    whole = pack.read_bytes()
    pack.unlink()
    pack.write_bytes(whole[:left])
    commit = repository.commit({**files, "f0": b"changed"})
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit)[b"f0"] == b"changed"


@pytest.mark.parametrize(
    ("file", "how"),
    [
        ("HEAD", "gone"),
        ("HEAD", "empty"),
        ("config", "empty"),
        ("objects", "gone"),
        ("shallow", "gone"),
        ("shallow", "empty"),
    ],
)
def test_a_copy_with_a_damaged_file_is_got_over(
    repository: Repository, copy: KeptCopy, program: GitProgram, file: str, how: str
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    (copy.path / file).rename(copy.path / "aside")
    if how == "empty":
        (copy.path / file).touch()
    commit = repository.commit({"a": b"2"})
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"a": b"2"}


# Whatever JSON the mark holds: a list or a word ended as TypeError, at every sync.
def test_a_mark_that_makes_no_sense_means_a_cold_fetch(repository: Repository, copy: KeptCopy) -> None:
    commit = repository.commit({"a": b"1"})
    copy.fetch(commit, repository.connection)
    for mark in (b"", b"{", b"null", b"[]", b'{"blob_limit": 10000}', b"\xff"):
        (copy.path / "skillport.json").write_bytes(mark)
        copy.fetch(commit, repository.connection)
        assert packs(copy) == 1


# Sizes of damaged objects are not numbers: this ended as ValueError, which is no error that a sync can tell.
def test_damaged_content_is_told_as_a_failed_fetch_and_healed_by_deleting_the_copy(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit(large_files())
    copy.fetch(commit, repository.connection)
    (pack,) = (copy.path / "objects" / "pack").glob("*.pack")
    whole = pack.read_bytes()
    pack.unlink()
    pack.write_bytes(whole[:200] + bytes(len(whole) - 400) + whole[-200:])
    with pytest.raises(FetchFailed):
        contents(program, copy.path, commit)
    copy.delete()
    copy.fetch(commit, repository.connection)
    assert len(contents(program, copy.path, commit)) == 20


def test_the_newer_worker_goes_on_with_the_copy_of_the_older(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    (copy.path.parent / "0.git").mkdir()
    newer = taken_over(copy, program, 7)
    assert [path.name for path in copy.path.parent.iterdir()] == ["7.git"]
    commit = repository.commit({"a": b"2"})
    newer.fetch(commit, repository.connection)
    assert contents(program, newer.path, commit) == {b"a": b"2"}
    assert packs(newer) == 2


def test_an_older_worker_that_comes_late_does_not_take_the_newers_copy(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    newer = taken_over(copy, program, 7)
    commit = repository.commit({"a": b"1"})
    newer.fetch(commit, repository.connection)
    late = taken_over(copy, program, 6)
    late.fetch(repository.commit({"a": b"2"}), repository.connection)
    assert contents(program, newer.path, commit) == {b"a": b"1"}
    late.delete()
    assert contents(program, newer.path, commit) == {b"a": b"1"}


# Renaming the folder takes a git that still writes in it along: the newer worker meets the older's locks and packs.
@pytest.mark.parametrize(("warm", "hold_after"), [(False, 90_000), (True, 100), (True, 30_000)])
def test_an_older_worker_that_is_still_fetching_does_not_disturb_the_newer(
    repository: Repository, copy: KeptCopy, program: GitProgram, hold_after: int, warm: bool
) -> None:
    files = large_files()
    if warm:
        copy.fetch(repository.commit(files), repository.connection)
    with ThreadPoolExecutor(1) as pool, Relay(repository.url, hold_after=hold_after) as relay:
        there = connect(f"{relay.url}/acme/skills.git", repository.credential)
        older = pool.submit(copy.fetch, repository.commit(large_files()), there)
        assert relay.held.wait(60)
        newer = taken_over(copy, program, 2)
        commit = repository.commit({**files, "f0": b"changed"})
        newer.fetch(commit, repository.connection)
        assert packs(newer) == 1 + warm  # made anew, it would have one
        relay.released.set()
        assert isinstance(older.exception(60), RepositoryError | None)
    assert len(contents(program, newer.path, commit)) == 20
    commit = repository.commit({"a": b"1"})
    newer.fetch(commit, repository.connection)
    assert packs(newer) == 2 + warm
    assert contents(program, newer.path, commit) == {b"a": b"1"}


# A folder in which somebody still writes cannot be removed: what was left of it stood in the way of the cold fetch.
@pytest.mark.parametrize("fence", [1, 2])
def test_a_copy_in_which_somebody_still_writes_is_made_anew_all_the_same(
    repository: Repository, copy: KeptCopy, program: GitProgram, fence: int
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    script = "while : >objects/pack/tmp_$i && : >objects/tmp_$i; do i=$((i+1)); [ $i = 9 ] && echo; done"
    command = ["/bin/sh", "-c", script]
    with subprocess.Popen(
        command, cwd=copy.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            newer = taken_over(copy, program, fence)
            (newer.path / "skillport.json").unlink(missing_ok=True)
            commit = repository.commit({"a": b"2"})
            newer.fetch(commit, repository.connection)
        finally:
            writer.kill()
    assert contents(program, newer.path, commit) == {b"a": b"2"}


def test_an_older_worker_whose_copy_was_taken_over_ends_with_an_error_of_ours(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    with ThreadPoolExecutor(1) as pool, Relay(repository.url, hold_after=100) as relay:
        there = connect(f"{relay.url}/acme/skills.git", repository.credential)
        older = pool.submit(copy.fetch, repository.commit({"a": b"2"}), there)
        assert relay.held.wait(60)
        taken_over(copy, program, 2)
        relay.released.set()
        # The fetch itself ends well in the folder that was renamed; then there is no folder for the mark.
        assert isinstance(older.exception(60), RepositoryError | None)


FETCHING = """
import sys
from pathlib import Path
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from tests.marketplaces.git.builder import connect
folder, records, fence, url, credential, commit = sys.argv[1:]
program = GitProgram(Processes(Path(records)))
copy = KeptCopy(Path(folder), fence=int(fence), program=program, blob_limit=10_000)
print("fetching", flush=True)
copy.fetch(commit, connect(url, credential))
"""


def test_whenever_a_worker_is_killed_the_next_fetch_works(
    repository: Repository, copy: KeptCopy, program: GitProgram, records: Path
) -> None:
    copy.fetch(repository.commit(large_files()), repository.connection)
    killed = 0
    for turn in range(10):
        commit = repository.commit(large_files())
        arguments = [copy.path.parent, records, 2 * turn + 2, repository.url, repository.credential, commit]
        command = [sys.executable, "-c", FETCHING, *map(str, arguments)]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            try:
                worker.wait(timeout=0.008 * turn)
            except subprocess.TimeoutExpired:
                worker.kill()
                killed += 1
        Processes(records).end_leftovers()
        next_one = taken_over(copy, program, 2 * turn + 3)
        next_one.fetch(commit, repository.connection)
        assert len(contents(program, next_one.path, commit)) == 20
    assert killed, "the first turn gives it no time at all"
