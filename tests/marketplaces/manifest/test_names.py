import unicodedata

import pytest

from marketplaces.manifest.names import NameRefused, checked_name, checked_path

HOSTILE = {
    b"../escape": "`..`",
    b"a/../../escape": "`..`",
    b"/etc/passwd": "empty segment",
    b"a//b": "empty segment",
    b"a/": "empty segment",
    b"./a": "`.`",
    b".git/config": "git keeps",
    b"a/.GIT/hooks/pre-commit": "git keeps",
    b"git~1/config": "git keeps",
    b".git./config": "git keeps",
    b".gitmodules": "git keeps",
    b".git::$INDEX_ALLOCATION/config": "git keeps",
    ".g\u200cit/config".encode(): "git keeps",
    b"a\\b": "one of",
    b"c:evil": "one of",
    b"file.txt:stream": "one of",
    b"what?": "one of",
    b"-rf": "hyphen",
    b"~root": "tilde",
    b"a/--upload-pack=x": "hyphen",
    b"name.": "dot or a space",
    b"name ": "dot or a space",
    "name\u3000".encode(): "dot or a space",
    b"CON": "Windows device",
    b"a/nul.txt": "Windows device",
    b"com1 .log": "Windows device",
    "COM¹.md".encode(): "Windows device",
    b"line\nbreak": "control or invisible",
    b"bell\x07": "control or invisible",
    b"delete\x7f": "control or invisible",
    "gnp.\u202eexe.sh".encode(): "control or invisible",
    "zero\u200bwidth".encode(): "control or invisible",
    "soft\u00adhyphen".encode(): "control or invisible",
    "tag\U000e0041".encode(): "control or invisible",
    "filler\u3164".encode(): "control or invisible",
    "star\ufe0f".encode(): "control or invisible",
    b"latin\xe9": "UTF-8",
    b"surrogate\xed\xa0\x80": "UTF-8",
    b"overlong\xc0\xae": "UTF-8",
    unicodedata.normalize("NFD", "café").encode(): "normal form C",
    b"s" * 101: "segment longer than 100",
    "ä".encode() * 51: "segment longer than 100",
    b"/".join([b"s" * 50] * 4): "longer than 200",
    b"/".join([b"s"] * 13): "12 levels",
}

ORDINARY = [
    "SKILL.md",
    ".gitignore",
    ".gitattributes",
    ".gitkeep",
    ".github/workflows/ci.yml",
    "scripts/run.sh",
    "console.log",
    "auxiliary.md",
    "com10.txt",
    "a b/ leading.md",
    "déjà vu/日本語.md",
    "🎉.md",
    "_private/__init__.py",
    "[slug]/page (1).tsx",
    "a-/x-",
    "s" * 100,
]


@pytest.mark.parametrize(("raw", "why"), HOSTILE.items(), ids=repr)
def test_a_hostile_path_is_refused_and_the_reason_said(raw, why):
    with pytest.raises(NameRefused) as refused:
        checked_path(raw)
    assert why in refused.value.why


@pytest.mark.parametrize("path", ORDINARY)
def test_an_ordinary_path_is_given_as_text(path):
    assert checked_path(path.encode()) == path


@pytest.mark.parametrize("name", ["a", "skill-creator", "PDF_tools.v2", "9lives", "x" * 100])
def test_a_plain_name_is_accepted(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "two words",
        "-x",
        "x-",
        ".x",
        "x.",
        "a/b",
        "é",
        "x" * 101,
        "CON",
        "nul",
        "com1.tools",
        "x\n",
        "a\ud800",
    ],
)
def test_any_other_name_is_refused(name):
    with pytest.raises(NameRefused):
        checked_name(name)


def test_a_refusal_says_what_to_do_and_fits_every_door():
    refused = NameRefused("begins with a hyphen")
    assert refused.as_json()["error"] == {
        "code": "name_refused",
        "message": "This name cannot be used: it begins with a hyphen. Choose another one.",
    }
    assert refused.status == 422
