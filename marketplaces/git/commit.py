"""Read one commit out of a bare copy: what it says, what it lists, and the bytes of its files.

Never `ls-tree -l` or a checkout: a copy without its large blobs would fail, or silently fetch them.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from marketplaces.git.errors import FetchFailed, RepositoryTooLarge
from marketplaces.git.program import GitProgram
from marketplaces.git.tree import TreeEntry

_CHUNK: Final = 65536
_LONGEST_PATH: Final = 4096  # PATH_MAX of Linux
# Ids, the long ones too, that fit into the smallest pipe there is (4,096 bytes): asking never waits for git, which may be
# waiting for us to read what it found.
_ASKED_AT_ONCE: Final = 60


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """Who made the commit, when, and the first line of its message: display text, cut to what we keep."""

    author: str
    committed_at: datetime
    subject: str


def describe(program: GitProgram, folder: Path, commit: str) -> CommitInfo:
    """Give what the commit says of itself."""
    with program.streaming(
        folder, "log", "-1", "--no-show-signature", "--format=%an%x00%ct%x00%s", commit
    ) as output:
        said = output.read(_CHUNK)
        while output.read(_CHUNK):
            pass  # a message may be as large as the host likes; we show its beginning
    author, seconds, subject = (*said.decode("utf-8", "replace").rstrip("\n").split("\0"), "", "")[:3]
    return CommitInfo(author[:200], _time(seconds), subject[:300])


def _time(seconds: str) -> datetime:
    """Read git's timestamp; a commit may hold any nonsense, which is shown as the epoch."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def list_files(
    program: GitProgram,
    folder: Path,
    commit: str,
    *,
    max_entries: int,
    max_bytes: int,
    below: Sequence[str] = (),
) -> Iterator[TreeEntry]:
    """Give the files of the commit, in git's order, as they come; with `below`, only those in one of these folders.

    Raises `RepositoryTooLarge` at the first entry or byte too many, so that a tree bomb costs no more than the cap.
    """
    sizes = _sizes(program, folder, max_objects=4 * max_entries)
    count = total = folders = 0
    paths = ["--", *(f"{path}/" for path in below)] if below else []
    # SECURITY: `-t` shows the folders too. Ten levels of ten empty ones are 10^10, and without it nothing is said.
    with program.streaming(folder, "ls-tree", "-r", "-t", "-z", "--full-tree", commit, *paths) as output:
        for record in _records(output):
            described, _, path = record.partition(b"\t")
            mode, kind, git_id = described.decode().split(" ")
            if kind == "tree":
                folders += 1
                if folders > 4 * max_entries:
                    raise RepositoryTooLarge(
                        "This repository has far more folders than files. Keep it smaller."
                    )
                continue
            entry = TreeEntry(path, mode, git_id, sizes.get(git_id))
            count, total = count + 1, total + (entry.size_bytes or 0)
            if count > max_entries:
                raise RepositoryTooLarge(
                    f"This repository has more than {max_entries:,} files. Keep the marketplace in a smaller one."
                )
            if total > max_bytes:
                raise RepositoryTooLarge(
                    f"This repository holds more than {max_bytes // 2**20} MiB. Move large files out of it."
                )
            yield entry


def _sizes(program: GitProgram, folder: Path, *, max_objects: int) -> dict[str, int]:
    """Give the size of every blob that is here. One that is missing was larger than the fetch's limit."""
    sizes: dict[str, int] = {}
    arguments = [
        "cat-file",
        "--batch-all-objects",
        "--unordered",
        "--batch-check=%(objecttype) %(objectname) %(objectsize)",
    ]
    count = 0
    with program.streaming(folder, *arguments) as output:
        while lines := output.readlines(_CHUNK):
            words = b"".join(lines).decode().split()
            # Of a damaged object git says in two words that it is missing: the copy is broken.
            if len(words) != 3 * len(lines):
                raise FetchFailed
            described = zip(words[0::3], words[1::3], words[2::3], strict=True)
            sizes.update({git_id: int(size) for kind, git_id, size in described if kind == "blob"})
            count += len(lines)
            if count > max_objects * 4:
                raise RepositoryTooLarge(
                    "This repository holds far more objects than files. Keep it smaller."
                )
    return sizes


def _records(output: IO[bytes]) -> Iterator[bytes]:
    """Split at NUL without holding more than one record and one chunk."""
    rest = b""
    while chunk := output.read(_CHUNK):
        *records, rest = (rest + chunk).split(b"\0")
        if any(len(record) > _LONGEST_PATH for record in (*records, rest)):
            raise RepositoryTooLarge(
                f"This repository has a path of more than {_LONGEST_PATH} bytes. Shorten it."
            )
        yield from records


class BlobReader:
    """Reads blobs by id from one long-lived git process."""

    def __init__(self, to_git: IO[bytes], from_git: IO[bytes]) -> None:
        self._to_git = to_git
        self._from_git = from_git

    @classmethod
    @contextlib.contextmanager
    def opened(cls, program: GitProgram, folder: Path) -> Iterator["BlobReader"]:
        with program.conversing(folder, "cat-file", "--batch") as (to_git, from_git):
            yield cls(to_git, from_git)

    def read(self, git_id: str) -> bytes:
        """Give one blob's bytes. Raises `FetchFailed` when it is not in the copy."""
        return self.read_many([git_id])[0]

    def read_many(self, git_ids: Sequence[str]) -> list[bytes]:
        """Give the bytes of these blobs, in this order and all at once. Raises `FetchFailed` when one is not in the copy.

        Several are asked for before the first is read: else git and we would wait for each other at every file.
        """
        contents: list[bytes | None] = []
        try:
            for start in range(0, len(git_ids), _ASKED_AT_ONCE):
                asked = git_ids[start : start + _ASKED_AT_ONCE]
                self._to_git.write("".join(f"{git_id}\n" for git_id in asked).encode())
                self._to_git.flush()
                # All of them, whatever the first is: what stayed in the pipe would be taken for the next answer.
                contents += [self._answer() for _ in asked]
        except (BrokenPipeError, ValueError):
            raise FetchFailed from None
        return [_found(content) for content in contents]

    def _answer(self) -> bytes | None:
        """Give the blob that git tells of next, None for what is missing or no blob."""
        header = self._from_git.readline().split()
        if len(header) != 3:
            return None
        size = int(header[2])
        content = self._from_git.read(size)
        # SECURITY: a git that was ended has given the first part only, and reading says nothing about it.
        if len(content) != size or self._from_git.read(1) != b"\n":
            raise FetchFailed
        return content if header[1] == b"blob" else None


def _found(content: bytes | None) -> bytes:
    if content is None:
        raise FetchFailed
    return content
