"""What planning a plugin came to, so that a plugin that has not changed need not be planned again (ADR 14).

A plan follows from the plugin's entry, its listing (paths, modes, ids and sizes below its root), the limits and the code
that plans. Their digest is the plan's fingerprint: equal fingerprints, equal plans. What a plugin takes of the limits of
the whole catalog, and what it says to others, is noted beside it and happens again.
"""

import hashlib
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

import yaml

import marketplaces
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.marketplace_json import Entry
from marketplaces.manifest.report import Finding
from marketplaces.manifest.repository import Repository

# With more to say, a plugin is planned anew each time: what is remembered stays smaller than what it saves.
_MOST_NOTES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the plan of one plugin means for the rest of the catalog.

    `skill_folders` and `linked_files` count against limits that all plugins share. `unlisted` are the SKILL.md below its
    root of which neither a skill nor a finding came: paths from the repository's root.
    """

    fingerprint: bytes
    skill_folders: int
    linked_files: int
    unlisted: tuple[bytes, ...]
    findings: tuple[Finding, ...]

    @property
    def is_short(self) -> bool:
        """Tell whether it is worth being remembered."""
        return len(self.unlisted) + len(self.findings) <= _MOST_NOTES


Recall: TypeAlias = Callable[
    [str, bytes], Outcome | None
]  # the plugin's name, and the fingerprint it must have


def nothing_remembered(_plugin: str, _fingerprint: bytes) -> None:
    """Remember nothing: everything is planned."""


def fingerprint_of(entry: Entry, repository: Repository, root: str, limits: Limits) -> bytes:
    """Give the digest of everything that the plan of a plugin follows from."""
    told = repr((_edition(), limits, entry, root, repository.digest_below(root.encode())))
    return hashlib.sha256(told.encode()).digest()


@lru_cache(maxsize=1)
def _edition() -> str:
    """Give the digest of all code that a plan may depend on, and the versions of what it reads with.

    Of the whole package: nobody has to think of a number to raise, and a release plans every plugin anew, once.
    """
    package = Path(marketplaces.__file__).parent
    code = hashlib.sha256(repr((sys.version, yaml.__version__, unicodedata.unidata_version)).encode())
    for path in sorted(package.rglob("*.py")):
        code.update(f"\0{path.relative_to(package)}\0".encode() + path.read_bytes())
    return code.hexdigest()
