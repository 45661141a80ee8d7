"""Lists of made-up file names, and whether what is served of them can be unpacked anywhere (T-REPO-2)."""

import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath
from random import Random

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest.catalog import read_catalog

_MANIFEST = b'{"name":"x","plugins":[{"name":"p","source":"./p"}]}'
_SKILL = b"---\nname: s\ndescription: Does it.\n---\n"
_INSIDE = b"p/skills/s/"
# What file systems and tools take for something else than it says, and plain letters to set beside it.
_PIECES = [
    b"a", b"A", b"b", b"con", b"NUL", b"aux.txt", b"com1", b"COM\xc2\xb9", b"..", b".", b".git", b".GIT", b"git~1", b"-rf", b"~",
    b" ", b"\t", b"\n", b"\\", b"/", b"//", b":", b"::$DATA", b"*", b"?", b'"', b"<", b">", b"|", b"$(id)", b"`", b";", b"%2e",
    b"\xff", b"\xc3\x28", b"\xed\xa0\x80", "é".encode(), "e\u0301".encode(), "ß".encode(), b"ss", "ﬁ".encode(), b"fi", "\u212a".encode(),
    "\u202e".encode(), "\u200b".encode(), "\ufeff".encode(), "\u200c.git".encode(), "İ".encode(), "ı".encode(), b"i", b"I", b"x" * 101,
    b".txt", b".", b"SKILL.md", b"skill.MD", b"1", b"d/", b"D/", b"e/f/g/h/i/j/k/l/",
]  # fmt: skip
# Of these alone, most lists are served, unless their names meet.
_TAME = [
    b"a",
    b"A",
    b"b",
    b"B",
    b"/",
    b".",
    b"1",
    "é".encode(),
    "ß".encode(),
    b"ss",
    "İ".encode(),
    "ı".encode(),
    b"i",
    b"I",
    b".txt",
]
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_DEVICES = {"con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in "0123456789¹²³")}


def make_up(chance: Random) -> list[bytes]:
    """Give the names of a few files, of pieces that mean something somewhere, and of bytes that mean nothing."""
    tame = chance.random() < 0.5
    return [
        b"".join(_piece(chance, tame=tame) for _ in range(chance.randint(1, 5)))
        for _ in range(chance.randint(1, 6))
    ]


def _piece(chance: Random, *, tame: bool) -> bytes:
    if not tame and chance.random() < 0.1:
        return chance.randbytes(chance.randint(1, 4))
    return chance.choice(_TAME if tame else _PIECES)


def served_of(names: list[bytes]) -> list[str]:
    """Give the paths that are served of a skill with files of these names; [] where nothing is."""
    contents = {b".claude-plugin/marketplace.json": _MANIFEST, _INSIDE + b"SKILL.md": _SKILL}
    contents |= {_INSIDE + name: b"x" for name in names if _INSIDE + name not in contents}
    entries = [TreeEntry(path, "100644", path.hex(), len(content)) for path, content in contents.items()]
    by_id = {path.hex(): content for path, content in contents.items()}
    catalog = read_catalog(entries, by_id.__getitem__)
    return [file.path for plugin in catalog.plugins for skill in plugin.skills for file in skill.files]


def wrong_with(paths: list[str]) -> str:
    """Tell what would go wrong where case or Unicode forms do not count, or Windows' rules hold; '' for nothing."""
    for path in paths:
        parts = path.split("/")
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or {"", ".", ".."} & set(parts):
            return f"leaves its folder: {path!r}"
        for part in parts:
            stem = unicodedata.normalize("NFKC", part).casefold().partition(".")[0].rstrip()
            if (
                part[-1] in ". "
                or set(part) & set('\\:*?"<>|')
                or stem in _DEVICES
                or _INVISIBLE & set(map(unicodedata.category, part))
            ):
                return f"is another name, or none, on Windows: {path!r}"
        if len(path.encode()) > 200 or any(len(part.encode()) > 100 for part in parts):
            return f"is too long: {path!r}"
    return _meeting(paths, str.casefold) or _meeting(paths, str.upper)


def _meeting(paths: list[str], alike: Callable[[str], str]) -> str:
    """Tell which paths are one where `alike` makes names alike, or a file where another path has a folder."""
    folded = [unicodedata.normalize("NFKC", alike(unicodedata.normalize("NFKC", path))) for path in paths]
    folders = {"/".join(one.split("/")[:depth]) for one in folded for depth in range(1, one.count("/") + 1)}
    twice = {one for one in folded if folded.count(one) > 1}
    return (
        f"meet each other: {sorted(twice | (folders & set(folded)))}"
        if twice or folders & set(folded)
        else ""
    )
