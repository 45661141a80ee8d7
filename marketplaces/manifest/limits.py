"""How much of a repository is read and served. A sync passes its own; the defaults hold for every deployment."""

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most of each thing that a catalog may hold. Sizes are in bytes, everything else is a count."""

    marketplace_json_bytes: int = _MIB
    plugin_json_bytes: int = 256 * _KIB
    plugins: int = 1_000
    skills: int = 5_000  # in the whole catalog, served or refused: each costs a read and a parse
    plugin_files: int = 20_000
    file_bytes: int = _MIB
    skill_files: int = 512  # SEP-2640, with the next line
    skill_bytes: int = 16 * _MIB
    skill_md_bytes: int = 256 * _KIB  # the largest of 474 real ones has 74 KB
    frontmatter_bytes: int = 16 * _KIB
    link_target_bytes: int = 4_096  # PATH_MAX of Linux
    link_target_segments: int = 64
    link_hops: int = 8
    linked_files: int = 20_000  # in the whole catalog: entries that links, followed through folders, may add
    findings: int = 1_000  # the gravest are kept


DEFAULT: Final = Limits()
