"""What a commit holds, as git lists it."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

REGULAR: Final = "100644"
EXECUTABLE: Final = "100755"
SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"


class TreeEntry(NamedTuple):
    """One file of a commit. `path` is raw: git allows any byte but NUL in it.

    `size_bytes` is None when the content is not here because it is larger than the limit that was fetched with.
    """

    path: bytes
    mode: str
    git_id: str
    size_bytes: int | None


def below(entries: Iterable[TreeEntry], folder: bytes) -> Iterator[TreeEntry]:
    """Give the entries below `folder` with their paths from there; b'' is the root."""
    if not folder:
        yield from entries
        return
    start = folder + b"/"
    for path, mode, git_id, size_bytes in entries:
        if path.startswith(start):
            yield TreeEntry(path[len(start) :], mode, git_id, size_bytes)
