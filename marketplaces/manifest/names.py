"""Which names are served: the same on Linux, macOS and Windows, and without surprises for git or a shell."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from marketplaces.manifest.display import escaped
from marketplaces.manifest.git_names import is_git_own
from skillport.errors import SkillportError

SLUG = r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?"

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_SEGMENT_BYTES: Final = 100
_PATH_BYTES: Final = 200  # the longest of 2,905 real files has 116
_PATH_SEGMENTS: Final = 12
_FORBIDDEN: Final = frozenset('\\:*?"<>|')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9])")

_UNPRINTED: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Invisible although Unicode files them under letters and marks (DerivedCoreProperties, Default_Ignorable_Code_Point).
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


class NameRefused(SkillportError):
    """A path or name that is not served. `why` continues a sentence that begins with the name."""

    code = "name_refused"
    status = 422

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"This name cannot be used: it {why}. Choose another one.")


def checked_path(raw: bytes) -> str:
    """Give a file's path as text, or raise `NameRefused`. `raw` is relative, with `/` between its segments."""
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NameRefused("is not valid UTF-8") from None
    segments = path.split("/")
    if len(segments) > _PATH_SEGMENTS:
        raise NameRefused(f"is more than {_PATH_SEGMENTS} levels deep")
    if len(raw) > _PATH_BYTES:
        raise NameRefused(f"is longer than {_PATH_BYTES} bytes")
    for segment in segments:
        _check_segment(segment)
    return path


def checked_name(name: str) -> str:
    """Give the name of a plugin or skill, or raise `NameRefused`."""
    if not _NAME.fullmatch(name):
        raise NameRefused(
            "must be 1 to 100 letters, digits, dots, hyphens or underscores, beginning and ending with a letter or digit"
        )
    if _is_device(name):
        raise NameRefused("is the name of a Windows device")
    return name


@lru_cache(maxsize=16_384)  # in a repository of 10,000 files most segments are of a few folders and names
def folded(name: str) -> str:
    """Give the key under which a case-insensitive file system may keep `name`.

    Upper case first: file systems that compare in upper case take a dotless i for an i, which case folding alone does not.
    """
    upper = unicodedata.normalize("NFKC", name).upper()
    return unicodedata.normalize("NFKC", upper.casefold())


@lru_cache(maxsize=16_384)  # as above
def _check_segment(segment: str) -> None:
    if segment in {"", ".", ".."}:
        raise NameRefused("has an empty segment, `.` or `..` in it")
    if is_git_own(segment):
        raise NameRefused(f"holds “{escaped(segment)}”, which git keeps for itself")
    if any(_is_invisible(character) for character in segment):
        raise NameRefused("has control or invisible characters")
    if not _FORBIDDEN.isdisjoint(segment):
        raise NameRefused('has one of \\ : * ? " < > |')
    if not unicodedata.is_normalized("NFC", segment):
        raise NameRefused("is not in Unicode normal form C")
    if segment.startswith(("-", "~")):  # an option, or somebody's home
        raise NameRefused("has a segment that begins with a hyphen or a tilde")
    if segment.endswith(".") or segment[-1].isspace():
        raise NameRefused("has a segment that ends with a dot or a space")
    if _is_device(segment):
        raise NameRefused(f"holds “{escaped(segment)}”, the name of a Windows device")
    if len(segment.encode()) > _SEGMENT_BYTES:
        raise NameRefused(f"has a segment longer than {_SEGMENT_BYTES} bytes")


def _is_invisible(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in _UNPRINTED or _INVISIBLE.match(character) is not None


def _is_device(segment: str) -> bool:
    # Windows opens the device whatever extension follows, and reads COM¹ as COM1.
    stem = unicodedata.normalize("NFKC", segment.split(".", maxsplit=1)[0]).rstrip()
    return _DEVICE.fullmatch(stem.lower()) is not None
