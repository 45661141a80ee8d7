"""What a commit holds, as git lists it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

REGULAR: Final = "100644"
EXECUTABLE: Final = "100755"
SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a commit. `path` is raw: git allows any byte but NUL in it.

    `size_bytes` is None when the content is not here because it is larger than the limit that was fetched with.
    """

    path: bytes
    mode: str
    git_id: str
    size_bytes: int | None


def below(entries: Iterable[TreeEntry], folder: bytes) -> Iterator[TreeEntry]:
    """Give the entries below `folder` with their paths from there; b'' is the root."""
    start = folder + b"/" if folder else b""
    for entry in entries:
        if entry.path.startswith(start):
            yield replace(entry, path=entry.path[len(start) :])
