"""One file before and after, as lines that a person can read and that hide nothing.

What cannot be seen is made visible: control and bidirectional characters as `\\u202e`, bytes that are not UTF-8 as
`\\xe9`, a carriage return as `\\r`. Pure: no database.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

MOST_BYTES: Final = 256 * 1024  # of a file, before or after
MOST_LINES: Final = 1_000  # of one file's difference
_LONGEST_LINE: Final = 600  # characters
_CONTEXT: Final = 3
# Between the first and the last line that differ; beyond it, or where lines repeat a lot, comparing is quadratic and
# all of the old lines are shown as gone and all of the new ones as come.
_MOST_COMPARED: Final = 1_000
_MOST_REPEATED: Final = 4  # times the number of lines
# More of it than this is no text in another encoding.
_STRANGE: Final = 0.3


class Shown(StrEnum):
    TEXT = "text"
    BINARY = "binary"
    TOO_LARGE = "too_large"
    GONE = "gone"  # the content is no longer kept
    SAME = "same"  # only the mode differs


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a unified diff. `kind` is '+', '-', ' ', '@' (where the next lines stand) or '\\' (a remark)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """How one file differs. `unseen`: it holds characters that would not be seen. `not_utf8`: bytes of no UTF-8."""

    shown: Shown
    lines: list[Line] = field(default_factory=list)
    added: int = 0
    deleted: int = 0
    unseen: bool = False
    not_utf8: bool = False


class Effort:
    """How many lines may still be compared with each other: for all files of one answer together."""

    def __init__(self, lines: int = 20_000) -> None:
        self._left = lines

    def spend(self, lines: int) -> bool:
        """Tell whether so many may be, and count them if so."""
        if lines > min(self._left, _MOST_COMPARED):
            return False
        self._left -= lines
        return True


def diff(before: bytes, after: bytes, effort: Effort | None = None) -> FileDiff:
    """Compare two contents; b'' stands for a file that is not there."""
    if max(len(before), len(after)) > MOST_BYTES:
        return FileDiff(Shown.TOO_LARGE)
    old, new = _text(before), _text(after)
    if old is None or new is None:
        return FileDiff(Shown.BINARY)
    if all(line.endswith("\r\n") for line in (*old.lines, *new.lines)):
        old, new = old.plain(), new.plain()
    lines = list(_unified(old.lines, new.lines, effort or Effort()))
    counted = {kind: sum(line.kind == kind for line in lines) for kind in "+-"}
    if len(lines) > MOST_LINES:
        return FileDiff(Shown.TOO_LARGE, added=counted["+"], deleted=counted["-"])
    shown = [Line(line.kind, visible(line.text)) for line in lines]
    unseen = any(_UNSEEN.search(line.text) is not None for line in lines if line.kind in "+- ")
    return FileDiff(Shown.TEXT, shown, counted["+"], counted["-"], unseen, old.not_utf8 or new.not_utf8)


@dataclass(frozen=True, slots=True)
class _Text:
    lines: list[str]
    not_utf8: bool

    def plain(self) -> "_Text":
        """Give the text without the carriage returns that end each of its lines."""
        return _Text([line.removesuffix("\r\n") + "\n" for line in self.lines], self.not_utf8)


def _text(content: bytes) -> _Text | None:
    """Read a text with the ends of its lines; None for what is none. A byte of no UTF-8 becomes a lone surrogate."""
    if b"\0" in content:
        return None
    text = content.decode("utf-8", "surrogateescape")
    strange = sum("\udc80" <= character <= "\udcff" for character in text) if not text.isascii() else 0
    if strange > _STRANGE * len(text):
        return None
    return _Text(re.findall(r"[^\n]*\n|[^\n]+", text), strange > 0)


# What has no shape of its own, or changes how its neighbours are read; a line's own end is not looked at.
_UNSEEN: Final = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ufff9-\\ufffb\\U000e0000-\\U000e0fff]"
)


def visible(line: str) -> str:
    """Give a line with everything that does not print as an escape, cut to 600 characters."""
    cut = line[:_LONGEST_LINE]
    shown = "".join(
        character if character == "\t" or character.isprintable() else _escape(character) for character in cut
    )
    return f"{shown} … ({len(line) - len(cut)} more characters)" if len(line) > len(cut) else shown


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _unified(old: Sequence[str], new: Sequence[str], effort: Effort) -> Iterator[Line]:
    first, last_old, last_new = _differing(old, new)
    if first == last_old and first == last_new:
        return
    begin = max(first - _CONTEXT, 0)
    old_part, new_part = old[begin : last_old + _CONTEXT], new[begin : last_new + _CONTEXT]
    ends = last_old - begin, last_new - begin
    for group in _groups(old_part, new_part, first - begin, ends, effort):
        (_, old_from, _, new_from, _), (_, _, old_to, _, new_to) = group[0], group[-1]
        ranges = _range(begin + old_from, old_to - old_from), _range(begin + new_from, new_to - new_from)
        yield Line("@", "@@ -{} +{} @@".format(*ranges))
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from _lines(" ", old_part[a:b])
            else:
                yield from _lines("-", old_part[a:b])
                yield from _lines("+", new_part[c:d])


def _differing(old: Sequence[str], new: Sequence[str]) -> tuple[int, int, int]:
    """Give where the texts begin to differ, and where each ends to."""
    first, shorter = 0, min(len(old), len(new))
    while first < shorter and old[first] == new[first]:
        first += 1
    behind = 0
    while behind < shorter - first and old[-1 - behind] == new[-1 - behind]:
        behind += 1
    return first, len(old) - behind, len(new) - behind


_Group = list[tuple[str, int, int, int, int]]


def _groups(
    old: Sequence[str], new: Sequence[str], lead: int, ends: tuple[int, int], effort: Effort
) -> list[_Group]:
    """Give the changes with their context, each as `SequenceMatcher` tells it."""
    old_end, new_end = ends
    if effort.spend(max(ends) - lead):
        there = Counter(new)
        pairs = sum(there[line] for line in old)
        if pairs <= _MOST_REPEATED * (len(old) + len(new)):
            return list(SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT))
    group = [("equal", 0, lead, 0, lead)] if lead else []
    group.append(("replace", lead, old_end, lead, new_end))
    if old_end < len(old):
        group.append(("equal", old_end, len(old), new_end, len(new)))
    return [group]


def _lines(kind: str, lines: Sequence[str]) -> Iterator[Line]:
    for line in lines:
        yield Line(kind, line.removesuffix("\n"))
        if not line.endswith("\n"):
            yield Line("\\", "No newline at the end of the file")


def _range(start: int, length: int) -> str:
    """Write a range of lines as unified diffs do: from 1, and an empty one by the line before it."""
    return f"{start + 1}" if length == 1 else f"{start + (length > 0)},{length}"
