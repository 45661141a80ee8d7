"""One commit of a repository: its listing, and the bytes of the few files that have to be read."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from marketplaces.git.tree import SYMLINK, TreeEntry

# Git LFS's pointer files (its docs/spec.md): this line first, then an id and a size; never as much as 1,024 bytes.
_POINTER: Final = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER_BYTES: Final = range(120, 1024)


class Repository:
    """The entries of a commit by path. Folders are bytes without `/` at either end; b'' is the root."""

    def __init__(self, entries: Iterable[TreeEntry], read: Callable[[str], bytes]) -> None:
        self.read = read
        self.entries = sorted(entries, key=lambda entry: entry.path)
        self._paths = [entry.path for entry in self.entries]
        self._by_path = {entry.path: entry for entry in self.entries}
        self._pointers: dict[str, bool] = {}  # by git id: plugins may share files
        self._digests: dict[bytes, bytes] = {}  # by folder: many plugins may name one

    def entry(self, path: bytes) -> TreeEntry | None:
        """Give what is at `path`, None for a folder or nothing."""
        return self._by_path.get(path)

    def below(self, folder: bytes) -> list[TreeEntry]:
        """Give every entry below `folder`, sorted by path."""
        return self.entries[span_below(self._paths, folder)]

    def has_folder(self, folder: bytes) -> bool:
        """Tell whether there is an entry below `folder`."""
        first = bisect_left(self._paths, folder + b"/") if folder else 0
        return first < len(self._paths) and is_below(self._paths[first], folder)

    def digest_below(self, folder: bytes) -> bytes:
        """Give the digest of what is listed below `folder`: every entry's path, mode, id and size."""
        if folder not in self._digests:
            entries = self.below(folder)
            # No path holds a NUL, and what stands before the paths holds none either.
            described = "\n".join(
                [f"{mode} {git_id} {size_bytes}" for _, mode, git_id, size_bytes in entries]
            )
            listing = b"\0".join([described.encode(), *(entry.path for entry in entries)])
            self._digests[folder] = hashlib.sha256(listing).digest()
        return self._digests[folder]

    def is_large_file_pointer(self, entry: TreeEntry) -> bool:
        """Tell whether the file only says where Git LFS keeps its content. Only what is short enough is read."""
        size = entry.size_bytes or 0
        if entry.mode == SYMLINK or size not in _POINTER_BYTES:
            return False
        if entry.git_id not in self._pointers:
            self._pointers[entry.git_id] = self.read(entry.git_id).startswith(_POINTER)
        return self._pointers[entry.git_id]


def span_below(paths: Sequence[bytes], folder: bytes) -> slice:
    """Give where in the sorted `paths` those below `folder` stand."""
    if not folder:
        return slice(0, len(paths))
    # "0" is the character after "/".
    return slice(bisect_left(paths, folder + b"/"), bisect_left(paths, folder + b"0"))


def is_below(path: bytes, folder: bytes) -> bool:
    """Tell whether `path` is somewhere below `folder`."""
    return not folder or path.startswith(folder + b"/")


def joined(folder: bytes, path: bytes) -> bytes:
    """Give `path` below `folder`; either may be b''."""
    return b"/".join(part for part in (folder, path) if part)
