"""Versions: what an author may write, and what is served in its place."""

import re
from typing import Final

_WRITABLE: Final = re.compile(r"[0-9A-Za-z.+_-]{1,60}")
_HASH_DIGITS: Final = 8

# Semantic Versioning 2.0.0 (semver.org).
_NUMBER: Final = r"(0|[1-9][0-9]*)"
_WORDS: Final = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_SEMANTIC: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_WORDS})?(\+{_WORDS})?")


def is_writable(version: str) -> bool:
    """Tell whether an author's version is kept: up to 60 characters that are safe in a file name and in a URL."""
    return _WRITABLE.fullmatch(version) is not None


def served_version(*, author_version: str, digest: bytes, first_digest: bytes | None) -> str:
    """Give the version under which the content `digest` is served; other content never has the same one.

    `first_digest` is the content that was first served under `author_version`, None when there was none yet. That
    content alone has the author's version as it stands; all other content has a hash of itself behind it.
    """
    semantic = _SEMANTIC.fullmatch(author_version) is not None
    if semantic and digest == first_digest:
        return author_version
    base = author_version if semantic else "0.0.0"
    separator = "." if "+" in base else "+"
    return f"{base}{separator}{digest.hex()[:_HASH_DIGITS]}"
