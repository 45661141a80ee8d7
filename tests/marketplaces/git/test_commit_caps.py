"""Caps: a repository that is made to be endless costs no more than what we allow."""

import os
from pathlib import Path

import pytest

from marketplaces.git.commit import list_files
from marketplaces.git.errors import FetchFailed, GitStopped, RepositoryTooLarge
from marketplaces.git.program import GitProgram
from marketplaces.git.tree import TreeEntry
from skillport.demo.git_host import git
from tests.marketplaces.git.builder import EMPTY_TREE, commit, feed, write_commit, write_object, write_tree
from tests.marketplaces.git.watching import SOON, at_most, needs_proc

DEEP = 20_000


def all_files(
    program: GitProgram, bare: Path, commit: str, *, max_entries: int = 1000, max_bytes: int = 2**20
) -> list[TreeEntry]:
    return list(list_files(program, bare, commit, max_entries=max_entries, max_bytes=max_bytes))


def gits(bare: Path) -> list[int]:
    """Give the processes that are children of ours and read this repository."""
    children = [_read(thread / "children").split() for thread in Path("/proc/self/task").iterdir()]
    return [int(pid) for pids in children for pid in pids if str(bare) in _read(Path(f"/proc/{pid}/cmdline"))]


def _read(file: Path) -> str:
    """Give what /proc says; '' of a thread or a process that has ended since it was listed."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_as_many_files_and_bytes_as_allowed_are_listed_and_not_one_more(
    program: GitProgram, bare: Path
) -> None:
    made = commit(bare, {str(number): b"ten bytes!" + b"%d" % (number % 10) for number in range(100)})
    assert len(all_files(program, bare, made, max_entries=100, max_bytes=1100)) == 100
    with pytest.raises(RepositoryTooLarge, match="more than 99 files"):
        all_files(program, bare, made, max_entries=99, max_bytes=1100)
    with pytest.raises(RepositoryTooLarge, match="more than 0 MiB"):
        all_files(program, bare, made, max_entries=100, max_bytes=1099)


def test_a_file_that_is_not_here_counts_as_an_entry_only(program: GitProgram, bare: Path) -> None:
    tree = write_tree(bare, *[(b"100644", b"%d" % number, "5" * 40) for number in range(10)])
    made = write_commit(bare, tree=tree)
    assert {one.size_bytes for one in all_files(program, bare, made, max_bytes=0)} == {None}
    with pytest.raises(RepositoryTooLarge):
        all_files(program, bare, made, max_entries=9)


@needs_proc
def test_the_entries_before_the_cap_are_given_and_then_git_is_gone(
    program: GitProgram, bare: Path, records: Path
) -> None:
    made = commit(bare, {f"{number:05}": b"" for number in range(5000)})
    entries = list_files(program, bare, made, max_entries=3000, max_bytes=0)
    assert [next(entries).path for _ in range(3000)][-1] == b"02999"
    assert len(gits(bare)) == 1
    with pytest.raises(RepositoryTooLarge):
        next(entries)
    assert gits(bare) == []
    assert list(records.iterdir()) == []


@needs_proc
def test_git_is_gone_when_a_listing_is_given_up(program: GitProgram, bare: Path, records: Path) -> None:
    made = commit(bare, {f"{number:05}": b"" for number in range(5000)})
    entries = list_files(program, bare, made, max_entries=9000, max_bytes=0)
    next(entries)
    assert len(gits(bare)) == 1
    entries.close()  # type: ignore[attr-defined]
    assert gits(bare) == []
    assert list(records.iterdir()) == []


def bomb(bare: Path, leaf: str, kind: str) -> str:
    """Make a commit of ten levels, each ten times the level below: 10^10 paths in ten objects."""
    below, of = leaf, kind
    for level in range(10):
        lines = "".join(f"{of} {below}\t{level}{number}\n" for number in range(10))
        below, of = feed(bare, "mktree", content=lines.encode()), "040000 tree"
    return write_commit(bare, tree=below)


@pytest.mark.parametrize(("max_entries", "max_bytes"), [(1000, 2**30), (10**9, 1000)])
def test_a_tree_bomb_costs_no_more_than_the_cap(
    program: GitProgram, bare: Path, max_entries: int, max_bytes: int
) -> None:
    made = bomb(bare, feed(bare, "hash-object", "-w", "--stdin", content=b"x"), "100644 blob")
    with at_most(SOON), pytest.raises(RepositoryTooLarge):
        all_files(program, bare, made, max_entries=max_entries, max_bytes=max_bytes)


# Folders without files were never counted: git walked 10^10 of them and gave nothing until its time was over.
def test_a_tree_bomb_without_a_single_file_costs_no_more_than_the_cap(
    program: GitProgram, bare: Path
) -> None:
    made = bomb(bare, EMPTY_TREE, "040000 tree")
    with at_most(SOON), pytest.raises(RepositoryTooLarge):
        all_files(program, bare, made)


# git crashes on such a depth; a crash was taken for a stop, so the sync was given back and taken up again for ever.
def test_folders_that_are_too_deep_are_a_failure_and_not_a_stop(program: GitProgram, bare: Path) -> None:
    tree = write_tree(bare, (b"100644", b"f", feed(bare, "hash-object", "-w", "--stdin", content=b"x")))
    for _ in range(DEEP):
        tree = write_tree(bare, (b"40000", b"d", tree))
    made = write_commit(bare, tree=tree)
    with pytest.raises((RepositoryTooLarge, FetchFailed)):
        all_files(program, bare, made, max_entries=20_000)


# A name was joined from its chunks again and again: 100 MiB of it, which is 100 KiB in a pack, took 95 s.
@pytest.mark.parametrize("size", [8 * 2**20, 100_000])
def test_a_name_that_no_system_can_hold_is_refused_early(program: GitProgram, bare: Path, size: int) -> None:
    tree = write_tree(bare, (b"100644", b"n" * size, write_object(bare, b"blob", b"x")))
    with at_most(SOON), pytest.raises(RepositoryTooLarge):
        all_files(program, bare, write_commit(bare, tree=tree))


def test_far_more_objects_than_files_are_refused(program: GitProgram, bare: Path) -> None:
    for turn in range(2):
        made = commit(bare, {f"{turn}{number}": os.urandom(9) for number in range(200)})
    assert len(all_files(program, bare, made, max_entries=200)) == 200
    made = commit(bare, {"a": b"1"})
    with pytest.raises(RepositoryTooLarge, match="objects"):
        all_files(program, bare, made, max_entries=5)


@pytest.mark.parametrize("missing", ["5" * 40, EMPTY_TREE[::-1], "refs/heads/none"])
def test_a_commit_that_is_not_here_is_a_failed_fetch(program: GitProgram, bare: Path, missing: str) -> None:
    with pytest.raises(FetchFailed):
        all_files(program, bare, missing)


def test_a_tree_that_is_not_here_is_a_failed_fetch_and_not_half_a_listing(
    program: GitProgram, bare: Path
) -> None:
    blob = feed(bare, "hash-object", "-w", "--stdin", content=b"x")
    tree = write_tree(bare, (b"100644", b"a", blob), (b"40000", b"b", "5" * 40))
    with pytest.raises(FetchFailed):
        all_files(program, bare, write_commit(bare, tree=tree))


def test_a_stop_during_a_listing_is_told_as_such(program: GitProgram, bare: Path) -> None:
    made = bomb(bare, git("hash-object", "-w", "/dev/null", folder=bare), "100644 blob")
    entries = list_files(program, bare, made, max_entries=10**9, max_bytes=10**9)
    next(entries)
    program.processes.stop()
    with at_most(SOON), pytest.raises(GitStopped):
        for _ in entries:
            pass
