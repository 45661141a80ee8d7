"""Reading files: the right bytes, all of them, or a failure."""

import os
from pathlib import Path

import pytest

from marketplaces.git.commit import BlobReader
from marketplaces.git.errors import FetchFailed, GitStopped
from marketplaces.git.program import GitProgram
from tests.marketplaces.git.builder import EMPTY_TREE, feed, write_commit, write_object


def test_blobs_are_read_in_any_order_and_more_than_once(program: GitProgram, bare: Path) -> None:
    raw = [
        b"",
        b"\0",
        b"\n",
        bytes(range(256)) * 300,
        os.urandom(2_000_000),
        b"blob 3\nabc\n",
        "é\r\n".encode(),
    ]
    ids = [feed(bare, "hash-object", "-w", "--stdin", content=one) for one in raw]
    with BlobReader.opened(program, bare) as reader:
        for number in [*range(len(raw)), *reversed(range(len(raw))), 4, 0, 4]:
            assert reader.read(ids[number]) == raw[number]


@pytest.mark.parametrize("what", ["0" * 40, "5" * 40, "", "HEAD", "HEAD:a", "no such thing", "--help"])
def test_what_is_no_blob_here_is_a_failed_fetch_and_the_next_one_is_read(
    program: GitProgram, bare: Path, what: str
) -> None:
    blob = feed(bare, "hash-object", "-w", "--stdin", content=b"1")
    with BlobReader.opened(program, bare) as reader:
        with pytest.raises(FetchFailed):
            reader.read(what)
        assert reader.read(blob) == b"1"


# The content of what is no blob stayed in the pipe, and the next file was read from it: crafted, it says what it likes.
def test_what_is_no_blob_leaves_nothing_behind_for_the_next_one(program: GitProgram, bare: Path) -> None:
    blob = feed(bare, "hash-object", "-w", "--stdin", content=b"1")
    with BlobReader.opened(program, bare) as reader:
        for other in (write_object(bare, b"tag", b"x blob 4\nevil\n"), write_commit(bare), EMPTY_TREE):
            with pytest.raises(FetchFailed):
                reader.read(other)
            assert reader.read(blob) == b"1"


# More than the pipe to git holds, and answers that are more than the pipe from it holds.
def test_many_are_read_in_the_order_in_which_they_are_asked_for(program: GitProgram, bare: Path) -> None:
    raw = [b"%d\n" % number * (number % 7 * 20_000 + 1) for number in range(12)]
    ids = [feed(bare, "hash-object", "-w", "--stdin", content=one) for one in raw]
    order = [(number * 5) % len(ids) for number in range(2_500)]
    with BlobReader.opened(program, bare) as reader:
        assert reader.read_many([]) == []
        assert reader.read_many([ids[number] for number in order]) == [raw[number] for number in order]
        assert reader.read(ids[3]) == raw[3]


@pytest.mark.parametrize("missing", [0, 1, 99, 100, 249])
def test_one_that_is_not_here_fails_all_and_the_next_one_is_read(
    program: GitProgram, bare: Path, missing: int
) -> None:
    one, two = (feed(bare, "hash-object", "-w", "--stdin", content=raw) for raw in (b"1", b"2"))
    with BlobReader.opened(program, bare) as reader:
        for other in ("5" * 40, EMPTY_TREE):
            asked = [one] * 250
            asked[missing] = other
            with pytest.raises(FetchFailed):
                reader.read_many(asked)
            assert reader.read_many([two, two]) == [b"2", b"2"]


def test_reading_from_a_git_that_was_ended_is_a_failed_fetch(program: GitProgram, bare: Path) -> None:
    blob = feed(bare, "hash-object", "-w", "--stdin", content=b"1")
    with BlobReader.opened(program, bare) as reader:
        assert reader.read(blob) == b"1"
        program.processes.stop()
        for _ in range(3):
            with pytest.raises(FetchFailed):
                reader.read(blob)


# The run was told as failed by the host, and was not taken up again, when it was we who stopped.
def test_a_stop_while_files_are_read_is_told_as_such(program: GitProgram, bare: Path) -> None:
    blob = feed(bare, "hash-object", "-w", "--stdin", content=b"1")
    with pytest.raises(GitStopped), BlobReader.opened(program, bare) as reader:
        program.processes.stop()
        reader.read(blob)


# A git that ends in the middle (stopped, out of time) gave the part that had come, and it was stored as the file.
def test_half_a_blob_is_never_given_as_a_whole_one(
    program: GitProgram, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "git"
    dying.write_text("#!/bin/sh\nread -r id\nprintf '%s blob 10\\nhalf' \"$id\"\n")
    dying.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with BlobReader.opened(program, bare) as reader, pytest.raises(FetchFailed):
        reader.read("5" * 40)
