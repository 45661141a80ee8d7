"""What a commit holds, as git lists it."""

from dataclasses import dataclass
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
