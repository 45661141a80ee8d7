r"""The names that git takes for its own, on whatever file system a repository is unpacked.

As git protects them (`path.c`, `utf8.c` and `read-cache.c` of git 2.45: `is_ntfs_dotgit`, `is_ntfs_dot_generic`,
`is_hfs_dot_generic`): letter case, NTFS short names and alternate streams, dots and spaces that NTFS drops, and the
characters that HFS+ ignores. `.gitignore`, `.gitattributes` and `.github` are ordinary names.
"""

import re
from typing import Final

_HFS_IGNORED: Final = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_STREAM_OR_FOLDER: Final = re.compile(r"[:\\]")

# NTFS shortens `.gitmodules` to gitmod~1 … gitmod~4, and after those to eight characters of a hash and a number:
# a beginning of `gi7eba`, a tilde, digits.
_HASHED: Final = "|".join(
    "gi7eba"[:kept] + "~[1-9]" + (f"[0-9]{{{6 - kept}}}" if kept < 6 else "") for kept in range(7)
)
_RESERVED: Final = re.compile(rf"\.git|git~1|\.gitmodules|gitmod~[1-4]|{_HASHED}", re.ASCII)


def is_git_own(segment: str) -> bool:
    """Tell whether git would, somewhere, read `segment` as `.git` or `.gitmodules`."""
    visible = segment.translate(_HFS_IGNORED)
    stem = _STREAM_OR_FOLDER.split(visible, maxsplit=1)[0].rstrip(" .")
    return _RESERVED.fullmatch(stem.lower()) is not None
