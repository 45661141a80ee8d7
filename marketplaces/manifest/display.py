"""Text of a repository, made fit to be shown and stored."""

import re
import unicodedata
from typing import Final

# Zero-width joiners shape emoji and several scripts; alone they hide nothing that a reader would act on.
_JOINERS: Final = "\u200c\u200d"
_DROPPED: Final = {"Cc", "Cf", "Co", "Cs"}
_WHITESPACE: Final = re.compile(r"\s+")


def one_line(text: str, limit: int = 2_000) -> str:
    """Give `text` as one line of at most `limit` characters.

    Runs of whitespace become one space; control, bidirectional, private and tag characters go.
    SECURITY: tag characters (U+E0000…) are invisible to people and legible to models, so they must not reach either.
    """
    spaced = _WHITESPACE.sub(" ", text)
    kept = "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in _DROPPED)
    # Once more: what stood between two spaces may just have gone.
    return _WHITESPACE.sub(" ", kept).strip()[:limit].rstrip()


def escaped(text: str | bytes, limit: int = 200) -> str:
    r"""Give `text` with everything that does not print as `\x…` or `\u…`, cut in the middle to `limit` characters."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if len(shown) <= limit:
        return shown
    half = (limit - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"


def brief(value: object) -> str:
    """Say what a JSON value is: a text as it stands, a list or object by its kind alone.

    Never `str` of a list: one that was just shallow enough to be read may be too deep to be written.
    """
    match value:
        case str():
            return value
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return str(value)
