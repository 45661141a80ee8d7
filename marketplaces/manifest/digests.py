"""The digest that names the exact content of a plugin or skill."""

import hashlib
from collections.abc import Iterable
from typing import TypeAlias

ReleasePart: TypeAlias = tuple[str, bool, bytes]  # path, executable, SHA-256 of the content


def release_digest(files: Iterable[ReleasePart]) -> bytes:
    r"""Give the SHA-256 of a list of files, the same for everyone who has them: an installer recomputes it.

    What is hashed is one line per file, `<mode> <sha256> <path>\n`: mode `100755` when executable, else `100644`;
    the content's SHA-256 as 64 lower-case hexadecimal digits; the path relative to the plugin's or skill's root, with
    `/`, in UTF-8. Lines are sorted by the path's UTF-8 bytes. No path holds a line break: the name policy refuses it.
    """
    lines = hashlib.sha256()
    for path, executable, sha256 in sorted(files, key=lambda part: part[0].encode()):
        mode = "100755" if executable else "100644"
        lines.update(f"{mode} {sha256.hex()} {path}\n".encode())
    return lines.digest()
