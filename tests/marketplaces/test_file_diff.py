"""One file before and after, as people see it."""

import random
import subprocess
from pathlib import Path

import pytest

from marketplaces.services.file_diff import MOST_BYTES, Effort, FileDiff, Shown, diff


def lines(found: FileDiff) -> list[str]:
    return [line.kind + line.text for line in found.lines]


def test_a_changed_line_stands_between_three_on_each_side() -> None:
    before = "".join(f"{number}\n" for number in range(1, 21))
    found = diff(before.encode(), before.replace("10\n", "ten\n").encode())
    assert lines(found) == [
        "@@@ -7,7 +7,7 @@", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13"
    ]  # fmt: skip
    assert (found.shown, found.added, found.deleted) == (Shown.TEXT, 1, 1)


def test_a_new_and_a_removed_file_are_shown_whole() -> None:
    assert lines(diff(b"", b"a\nb\n")) == ["@@@ -0,0 +1,2 @@", "+a", "+b"]
    assert lines(diff(b"a\n", b"")) == ["@@@ -1 +0,0 @@", "-a"]


def test_a_missing_end_of_the_last_line_is_told() -> None:
    assert lines(diff(b"a\n", b"a")) == [
        "@@@ -1 +1 @@", "-a", "+a", "\\No newline at the end of the file"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("safe \u202e reversed", "safe \\u202e reversed"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("escape \x1b[31m", "escape \\x1b[31m"),
        ("isolate \u2066", "isolate \\u2066"),
    ],
)
def test_what_cannot_be_seen_is_made_visible_and_told(content: str, seen: str) -> None:
    found = diff(b"", f"{content}\n".encode())
    assert (lines(found)[1], found.unseen) == (f"+{seen}", True)


def test_ordinary_text_of_any_script_hides_nothing() -> None:
    content = "Grüße, 日本語, हिन्दी, שלום\tand a tab 🙂\n"
    found = diff(b"", content.encode())
    assert (lines(found)[1], found.unseen, found.not_utf8) == (f"+{content.rstrip()}", False, False)


def test_another_encoding_is_shown_by_its_bytes() -> None:
    found = diff(b"Viele Gruesse\n", "Viele Grüße\n".encode("latin-1"))
    assert lines(found)[-1] == "+Viele Gr\\xfc\\xdfe"
    assert found.not_utf8


@pytest.mark.parametrize("content", [b"\x89PNG\x00\x01", bytes(range(128, 256)) * 4])
def test_what_is_no_text_is_told_as_such(content: bytes) -> None:
    assert diff(b"", content).shown == Shown.BINARY


def test_line_ends_of_another_system_are_seen_only_where_they_change() -> None:
    assert lines(diff(b"a\r\n", b"b\r\n")) == ["@@@ -1 +1 @@", "-a", "+b"]
    assert lines(diff(b"a\r\n", b"a\n")) == ["@@@ -1 +1 @@", "-a\\r", "+a"]


def test_what_is_too_large_is_not_shown() -> None:
    assert diff(b"", b"x" * (MOST_BYTES + 1)).shown == Shown.TOO_LARGE
    found = diff(b"", b"x\n" * 2_000)
    assert (found.shown, found.lines, found.added) == (Shown.TOO_LARGE, [], 2_000)
    assert len(diff(b"", b"x" * 10_000).lines[1].text) < 700


def test_one_changed_line_of_a_long_file_is_shown() -> None:
    before = b"".join(b"line %d\n" % number for number in range(10_000))
    found = diff(before, before.replace(b"line 5000\n", b"another\n"))
    assert (found.added, found.deleted, len(found.lines)) == (1, 1, 9)


def test_when_all_effort_is_spent_old_lines_are_gone_and_new_ones_have_come() -> None:
    effort = Effort(lines=3)
    assert lines(diff(b"a\nb\nc\n", b"x\nb\ny\n", effort))[1:] == ["-a", "+x", " b", "-c", "+y"]
    assert lines(diff(b"a\nb\nc\n", b"x\nb\ny\n", effort))[1:] == ["-a", "-b", "-c", "+x", "+b", "+y"]


@pytest.mark.parametrize("spent", [False, True])
def test_a_difference_leads_from_the_one_to_the_other(tmp_path: Path, spent: bool) -> None:
    """By git, which applies it."""
    chance, file = random.Random(4), tmp_path / "file"
    for _ in range(60):
        before = [chance.choice("abcdefgh") for _ in range(chance.randrange(30))]
        after = list(before)
        for _ in range(chance.randrange(6)):
            place = chance.randrange(len(after) + 1)
            after[place : place + chance.randrange(2)] = [chance.choice("abxyz")] * chance.randrange(3)
        old, new = ("".join(f"{line}\n" for line in some).encode() for some in (before, after))
        found = diff(old, new, Effort(lines=0) if spent else None)
        file.write_bytes(old)
        told = [line.text if line.kind == "@" else line.kind + line.text for line in found.lines]
        patch = "--- a/file\n+++ b/file\n" + "".join(f"{line}\n" for line in told)
        if told:
            subprocess.run(
                ["git", "apply", "--unidiff-zero", "-"], cwd=tmp_path, input=patch.encode(), check=True
            )
        assert file.read_bytes() == new
