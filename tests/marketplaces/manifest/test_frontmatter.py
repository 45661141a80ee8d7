import pytest

from marketplaces.manifest import findings
from marketplaces.manifest.frontmatter import read_frontmatter
from marketplaces.manifest.limits import DEFAULT
from marketplaces.manifest.report import Finding, NotServed

PATH = b"skills/x/SKILL.md"


def read(raw: bytes) -> tuple[object, list[str]]:
    reported: list[Finding] = []
    return read_frontmatter(raw, PATH, DEFAULT, reported.append), [finding.code for finding in reported]


def refusal(raw: bytes) -> Finding:
    with pytest.raises(NotServed) as refused:
        read(raw)
    return refused.value.finding


def test_the_block_between_the_fences_is_read_and_nothing_else():
    assert read(b"---\nname: x\n---\n# Text\n---\nname: y\n---\n") == ({"name": "x"}, [])


def test_spaces_behind_a_fence_and_a_missing_last_line_end_are_tolerated():
    assert read(b"--- \nname: x\n---\t") == ({"name": "x"}, [])


@pytest.mark.parametrize(
    "raw", [b"", b"# Title\n", b"\n---\nname: x\n---\n", b"----\nname: x\n----\n", b" ---\na: b\n---"]
)
def test_a_file_that_does_not_begin_with_a_fence_has_no_frontmatter(raw):
    assert read(raw) == (None, [])


def test_an_empty_block_is_frontmatter_without_keys():
    assert read(b"---\n---\n") == ({}, [])


def test_a_byte_order_mark_and_windows_line_ends_are_read_with_advice():
    assert read(b"\xef\xbb\xbf---\r\nname: x\r\n---\r\n") == (
        {"name": "x"},
        ["byte_order_mark", "windows_line_ends"],
    )


def test_a_text_of_several_lines_is_kept_verbatim():
    assert read(b"---\ndescription: |\n  one\n\n   two\n---\n") == ({"description": "one\n\n two\n"}, [])


def test_a_file_that_is_not_utf_8_is_refused_with_its_line():
    assert refusal(b"---\nname: \xff\n---\n") == findings.SKILL_MD_NOT_UTF8.at(PATH, line=2)
    assert refusal("---\nname: x\n---\n".encode("utf-16")).code == "skill_md_not_utf8"


def test_invalid_yaml_is_refused_with_its_line_in_the_file():
    finding = refusal(b"---\nname: x\ndescription: use when: asked\n---\n")
    assert finding.code == "frontmatter_invalid"
    assert "line 3" in finding.reason


def test_a_fence_that_is_never_closed_is_refused():
    assert "no second line" in refusal(b"---\nname: x\n").reason


def test_frontmatter_has_a_size_limit():
    assert read(b"---\na: " + b"x" * (DEFAULT.frontmatter_bytes - 4) + b"\n---\n")[1] == []
    assert (
        "larger than 16384"
        in refusal(b"---\na: " + b"x" * (DEFAULT.frontmatter_bytes - 3) + b"\n---\n").reason
    )
