"""Whatever a repository holds, what is served can be unpacked anywhere, and nothing fails."""

import subprocess
import sys
import unicodedata
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplaces.manifest.plan import Catalog
from tests.marketplaces.manifest.builder import (
    Absent,
    Content,
    Link,
    Program,
    Submodule,
    catalog_of,
    entry,
    skill_md,
)

DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def unpack(paths: Iterable[str]) -> None:
    """Put files into a model of file systems that fold case in their own ways; fails as one of them would."""
    for fold in (
        str.casefold,
        str.lower,
        str.upper,
        lambda text: unicodedata.normalize("NFD", text).casefold(),
    ):
        files: set[str] = set()
        folders: dict[str, str] = {}
        for path in paths:
            segments = path.split("/")
            assert not {"", ".", ".."} & set(segments)
            for segment in segments:
                assert segment.split(".")[0].rstrip(" ").lower() not in DEVICES
                assert segment == segment.rstrip(". ")
                assert segment.lower() not in {".git", "git~1", ".gitmodules"}
                assert not set(segment) & set('\\:*?"<>|')
                assert not {unicodedata.category(character) for character in segment} & {"Cc", "Cf", "Cs"}
            for length in range(1, len(segments)):
                folder = "/".join(segments[:length])
                assert folders.setdefault(fold(folder), folder) == folder
            assert fold(path) not in files
            files.add(fold(path))
        assert not files & folders.keys()


@pytest.mark.parametrize(
    "paths",
    [["a", "A"], ["a/b", "A/c"], ["a", "a/b"], ["../a"], ["nul.txt"], [".git/x"], ["a."], ["x\u202ey"]],
)
def test_the_model_of_a_file_system_finds_what_is_wrong(paths):
    with pytest.raises(AssertionError):
        unpack(paths)


def check(catalog: Catalog) -> None:
    for plugin in catalog.plugins:
        unpack([file.path for file in plugin.files])
        for skill in plugin.skills:
            unpack([file.path for file in skill.files])
            assert "SKILL.md" in {file.path for file in skill.files}
            whole = {file.path for file in plugin.files}
            assert {f"{skill.folder}/{file.path}".lstrip("/") for file in skill.files} <= whole


# Letters that some file system takes for each other, and the parts of names that are refused.
LETTERS = [*"aA\uff41\u0131iI\u0130ßéK\u212a\u017fsΣς\u03c3\u01c5\u01c6", "ss", "\ufb01", "fi", "e\u0301"]
PARTS = [*"-. ", "", "..", ".git", "git~1", ".GIT ", "con", "nul.x", "x.", "x ", "a\u200b", "x:y", "\u202e"]
tricky = st.sampled_from([part.encode() for part in LETTERS + PARTS])
segments = tricky | st.lists(tricky, max_size=3).map(b"".join) | st.binary(max_size=6)
byte_paths = st.lists(segments, min_size=1, max_size=4).map(b"/".join)


@settings(max_examples=1_500)
@given(st.lists(byte_paths, max_size=12))
def test_any_names_are_refused_or_can_be_unpacked_side_by_side(names):
    check(catalog_of({b"tools/" + name: "x" for name in names}))


links = (
    st.lists(st.sampled_from(["..", ".", "a", "b", "c", "SKILL.md", ""]), max_size=5).map("/".join).map(Link)
)
contents: st.SearchStrategy[Content] = links | st.sampled_from(
    [Absent(), Submodule(), Program(b"#!"), skill_md(), "x", b"\xff", "---\n: [\n---\n"]
)
places = st.lists(
    st.sampled_from(["skills", "a", "b", "A", "SKILL.md", "skill.md"]), min_size=1, max_size=4
).map("/".join)
sources = st.sampled_from(["./tools", "./", "tools/skills", "./gone", "../x", {"source": "url"}])


@settings(max_examples=1_500)
@given(
    st.dictionaries(places, contents, max_size=14),
    sources,
    st.booleans(),
    st.none() | st.just(["./skills", "./a"]),
)
def test_any_repository_becomes_whole_skills_and_findings(files, source, strict, listed):
    plugins = [entry("one", source, strict=strict, skills=listed), entry("two", "./tools")]
    catalog = catalog_of({f"tools/{path}": content for path, content in files.items()}, *plugins)
    check(catalog)
    assert all(finding.reason and finding.remedy for finding in catalog.findings)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["name", "source", "strict", "skills", "version", "author", "tags", "homepage", "description"]
)


@settings(max_examples=500)
@given(st.lists(json_values | st.dictionaries(keys, json_values), max_size=4), json_values)
def test_any_entries_are_read_or_left_out(entries, metadata):
    catalog = catalog_of({"tools/a": "x"}, *entries, entry("last", "./tools"), metadata=metadata)
    assert [plugin.name for plugin in catalog.plugins][-1:] == ["last"]
    "".join(finding.reason + finding.path for finding in catalog.findings).encode()


def test_the_package_needs_no_django():
    program = "import sys, marketplaces.manifest.catalog; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
