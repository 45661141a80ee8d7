"""Reading a commit: what it says of itself and what it lists."""

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from marketplaces.git.commit import CommitInfo, describe, list_files
from marketplaces.git.errors import FetchFailed
from marketplaces.git.program import GitProgram
from marketplaces.git.tree import EXECUTABLE, REGULAR, SUBMODULE, SYMLINK, TreeEntry
from skillport.demo.git_host import git
from tests.marketplaces.git.builder import (
    Content,
    Link,
    Program,
    Submodule,
    commit,
    contents,
    write_commit,
    write_object,
    write_tree,
)

WHEN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def listed(program: GitProgram, bare: Path, commit: str) -> list[TreeEntry]:
    return list(list_files(program, bare, commit, max_entries=1000, max_bytes=10**9))


def test_each_kind_of_entry_is_listed_with_its_mode_id_and_size(program: GitProgram, bare: Path) -> None:
    files: dict[str, Content] = {
        "a/run": Program(b"#!"),
        "a/x": b"12345",
        "b": Link(b"a/x"),
        "c": Submodule("5" * 40),
        "d": b"",
    }
    made = commit(bare, files)
    entries = listed(program, bare, made)
    assert [(one.path, one.mode, one.size_bytes) for one in entries] == [
        (b"a/run", EXECUTABLE, 2),
        (b"a/x", REGULAR, 5),
        (b"b", SYMLINK, 3),
        (b"c", SUBMODULE, None),
        (b"d", REGULAR, 0),
    ]
    assert entries[3].git_id == "5" * 40
    assert entries[1].git_id == git("rev-parse", f"{made}:a/x", folder=bare)


ODD_NAMES = [
    b"a\nb",
    b"a\tb",
    b"\t",
    b"\n",
    b"caf\xe9",
    b"\xff\xfe",
    "é".encode(),
    "e\u0301".encode(),
    b'"q"',
    b"a b ",
    b"\\",
    b"-rf",
]


def test_names_are_given_as_the_bytes_that_they_are(program: GitProgram, bare: Path) -> None:
    made = commit(bare, {name: b"%d" % number for number, name in enumerate(ODD_NAMES)})
    assert {one.path for one in listed(program, bare, made)} == set(ODD_NAMES)
    assert contents(program, bare, made) == {name: b"%d" % number for number, name in enumerate(ODD_NAMES)}


def test_names_that_git_itself_would_not_make_are_given_as_they_are(program: GitProgram, bare: Path) -> None:
    blob = write_object(bare, b"blob", b"x")
    below = write_tree(bare, (b"100644", b"passwd", blob))
    names = [b"..", b".git", b"/etc", b"a//b", b"CON", b"a" * 300]
    tree = write_tree(
        bare,
        *[(b"100644", name, blob) for name in names],
        (b"40000", b"..", below),
        (b"100666", b"odd", blob),
    )
    entries = listed(program, bare, write_commit(bare, tree=tree))
    assert [one.path for one in entries] == [*names, b"../passwd", b"odd"]
    assert entries[-1].mode == REGULAR  # git knows no other permissions


def test_a_tree_that_git_cannot_read_is_a_failed_fetch(program: GitProgram, bare: Path) -> None:
    blob = write_object(bare, b"blob", b"x")
    for tree in (
        write_tree(bare, (b"100644", b"", blob)),
        write_tree(bare, (b"letters", b"a", blob)),
        write_object(bare, b"tree", b"100644 a"),
    ):
        with pytest.raises(FetchFailed):
            listed(program, bare, write_commit(bare, tree=tree))


def test_an_empty_commit_lists_nothing(program: GitProgram, bare: Path) -> None:
    assert listed(program, bare, write_commit(bare)) == []


def test_the_same_content_under_many_names_has_its_size_each_time(program: GitProgram, bare: Path) -> None:
    made = commit(bare, {str(number): b"same" for number in range(50)})
    assert [one.size_bytes for one in listed(program, bare, made)] == [4] * 50


@pytest.mark.parametrize(
    ("author", "shown"),
    [
        (b"Alice Ng", "Alice Ng"),
        ("Zoë Ångström 🎉".encode(), "Zoë Ångström 🎉"),
        (b"\xe9t\xe9", "\ufffdt\ufffd"),
        (b"", ""),
        (b"n" * 5000, "n" * 200),
        (b"%an%x00%cI%n$(id)", "%an%x00%cI%n$(id)"),
    ],
)
def test_an_odd_author_is_shown_as_far_as_can_be(
    program: GitProgram, bare: Path, author: bytes, shown: str
) -> None:
    made = write_commit(bare, author=author + b" <a@b> 1700000000 +0000")
    assert describe(program, bare, made) == CommitInfo(shown, WHEN, "x")


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (b"", ""),
        (b"\n\n\n", ""),
        (b"One\n\nTwo\n", "One"),
        (b"One\nline\n\nTwo", "One line"),
        (b"\n\nLate\n", "Late"),
        (b"s" * 5000, "s" * 300),
        (b"caf\xe9", "caf\ufffd"),
        ("Größe 🎉".encode(), "Größe 🎉"),
        (b"before\0after", "before"),
    ],
)
def test_the_subject_is_the_first_paragraph_of_the_message(
    program: GitProgram, bare: Path, message: bytes, subject: str
) -> None:
    assert describe(program, bare, write_commit(bare, message=message)) == CommitInfo("A", WHEN, subject)


@pytest.mark.parametrize(
    ("encoding", "message", "subject"),
    [
        (b"ISO-8859-1", b"caf\xe9", "café"),
        (b"nonsense", b"caf\xe9", "caf\ufffd"),
        (b"UTF-7", b"a+AAA-b", None),
        (b"SHIFT_JIS", b"\x83\x65\x83\x58\x83\x67", "テスト"),
    ],
)
def test_a_message_in_another_encoding_is_shown_without_a_nul(
    program: GitProgram, bare: Path, encoding: bytes, message: bytes, subject: str | None
) -> None:
    said = describe(program, bare, write_commit(bare, encoding=encoding, message=message))
    assert "\0" not in said.subject + said.author
    assert subject is None or said.subject == subject


def test_the_time_is_the_committers_in_its_own_zone(program: GitProgram, bare: Path) -> None:
    made = write_commit(bare, author=b"A <a@b> 1 +0000", committer=b"C <c@d> 1700000000 +0530")
    assert describe(program, bare, made).committed_at == WHEN


# Old converters and crafted commits have such dates, and git then gives nothing, or a zone that is no zone, for %cI:
# this ended as ValueError. What time is shown instead is not the point; that the commit is taken is.
@pytest.mark.parametrize(
    "committer",
    [
        b"C <c@d> 1700000000 +051800", b"C <c@d> 1700000000 -7530", b"C <c@d> 1700000000 +9999",
        b"C <c@d> 253402300800 +0000", b"C <c@d> 99999999999999999 +0000", b"C <c@d> -1 +0000", b"C <c@d>", b"C", b"",
    ],
)  # fmt: skip
def test_a_commit_with_an_impossible_date_is_described_all_the_same(
    program: GitProgram, bare: Path, committer: bytes
) -> None:
    said = describe(program, bare, write_commit(bare, committer=committer))
    assert (said.author, said.subject) == ("A", "x")
    assert said.committed_at.utcoffset() is not None


# The first paragraph was read whole before it was cut; a host can send hundreds of MiB of it in a small pack.
def test_a_huge_message_is_not_read_into_memory(program: GitProgram, bare: Path) -> None:
    made = write_commit(bare, message=b"m" * 2**24)
    tracemalloc.start()
    try:
        assert describe(program, bare, made).subject == "m" * 300
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22
