import json

import pytest

from tests.marketplaces.manifest.builder import Absent, catalog_of, codes, entry, paths, skill_md, skills, the

SKILL = skill_md()
TWO = {"tools/skills/a/SKILL.md": SKILL, "tools/skills/b/SKILL.md": SKILL}


def test_the_folders_right_below_skills_are_skills():
    catalog = catalog_of({**TWO, "tools/skills/shared/note.md": "x", "tools/skills/README.md": "x"})
    assert {name: skill.folder for name, skill in skills(catalog).items()} == {
        "a": "skills/a",
        "b": "skills/b",
    }
    assert catalog.findings == ()


@pytest.mark.parametrize(
    "listed", ["./extra/c", "extra/c", "./extra", ["./extra/"], ["./extra/c", "./extra"]]
)
def test_a_listed_folder_is_a_skill_or_holds_some(listed):
    catalog = catalog_of({**TWO, "tools/extra/c/SKILL.md": SKILL}, entry(skills=listed))
    assert list(skills(catalog)) == ["a", "b", "c"]
    assert catalog.findings == ()


def test_plugin_json_may_list_skills_as_well():
    files = {
        **TWO,
        "tools/extra/c/SKILL.md": SKILL,
        "tools/.claude-plugin/plugin.json": json.dumps({"skills": "./extra"}),
    }
    assert list(skills(catalog_of(files))) == ["a", "b", "c"]


def test_a_skill_listed_twice_is_one():
    assert list(skills(catalog_of(TWO, entry(skills=["./skills/a", "skills/a/", "./skills"])))) == ["a", "b"]


def test_without_strict_the_listed_skills_are_the_only_ones():
    files = {**TWO, "tools/.claude-plugin/plugin.json": '{"skills": "./skills/b"}'}
    catalog = catalog_of(files, entry(strict=False, skills=["./skills/a"]))
    assert list(skills(catalog)) == ["a"]
    assert [(finding.code, finding.path) for finding in catalog.findings] == [
        ("skill_not_listed", "tools/skills/b/SKILL.md")
    ]


def test_without_strict_and_without_a_list_the_usual_folder_counts():
    assert list(skills(catalog_of(TWO, entry(strict=False)))) == ["a", "b"]
    assert skills(catalog_of(TWO, entry(strict=False, skills=[]))) == {}


def test_the_root_is_a_skill_named_like_its_plugin_when_there_is_no_skills_folder():
    catalog = catalog_of({"tools/SKILL.md": SKILL, "tools/a/b.md": "x"})
    (skill,) = skills(catalog).values()
    assert (skill.name, skill.folder, paths(skill)) == ("tools", "", ["SKILL.md", "a/b.md"])
    assert catalog.findings == ()


def test_the_root_is_no_skill_beside_a_skills_folder_unless_listed():
    files = {**TWO, "tools/SKILL.md": SKILL}
    assert codes(catalog_of(files)) == ["skill_not_listed"]
    assert list(skills(catalog_of(files, entry(skills="./")))) == ["a", "b", "tools"]


def test_a_skill_that_is_listed_but_missing_is_said():
    catalog = catalog_of(TWO, entry(skills=["./skills/gone", "./skills/a"]))
    assert list(skills(catalog)) == ["a", "b"]
    assert "“./skills/gone”" in the(catalog, "skill_missing").reason


@pytest.mark.parametrize("listed", ["../other", "/etc", "./skills/../../x", "https://host/x", "./a\\b", ""])
def test_a_listed_path_that_leaves_the_plugin_is_refused(listed):
    catalog = catalog_of({**TWO, "other/SKILL.md": SKILL}, entry(skills=[listed]))
    assert the(catalog, "skill_path_refused").severity == "error"
    assert list(skills(catalog)) == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("tools/skills/a/skill.md", {}),
        ("tools/skills/a/Skill.MD", {}),
        ("tools/skill.md", {}),
        ("tools/extra/a/skill.md", {"skills": "./extra/a"}),
    ],
)
def test_a_skill_file_in_other_letter_case_must_be_renamed(path, fields):
    catalog = catalog_of({path: SKILL}, entry(**fields))
    finding = the(catalog, "skill_md_miscased")
    assert (finding.path, finding.remedy) == (path, "Rename it to SKILL.md.")
    assert skills(catalog) == {}


def test_a_nested_skill_file_belongs_to_its_parent_and_is_no_skill_unless_listed():
    files = {"tools/skills/a/SKILL.md": SKILL, "tools/skills/a/examples/b/SKILL.md": SKILL}
    catalog = catalog_of(files)
    assert paths(skills(catalog)["a"]) == ["SKILL.md", "examples/b/SKILL.md"]
    assert the(catalog, "skill_not_listed").path == "tools/skills/a/examples/b/SKILL.md"

    catalog = catalog_of(files, entry(skills="./skills/a/examples/b"))
    assert {name: paths(skill) for name, skill in skills(catalog).items()} == {
        "a": ["SKILL.md", "examples/b/SKILL.md"],
        "b": ["SKILL.md"],
    }
    assert catalog.findings == ()


def test_a_skill_file_outside_every_plugin_is_explained():
    catalog = catalog_of({**TWO, "template/SKILL.md": SKILL, "template/skill.md": "x"})
    assert [(finding.code, finding.path) for finding in catalog.findings] == [
        ("skill_not_listed", "template/SKILL.md")
    ]


def test_the_skills_of_an_absent_plugin_are_explained_by_it_alone():
    assert codes(catalog_of(TWO, entry("two words"))) == ["plugin_name_refused"]
    assert codes(catalog_of(TWO, entry("con", "./"))) == ["plugin_name_refused"]


def test_a_skill_whose_file_is_refused_is_explained_once():
    catalog = catalog_of({"tools/skills/a/SKILL.md": Absent()})
    assert codes(catalog) == ["file_too_large", "skill_refused"]


def test_a_refused_file_that_would_be_no_skill_is_explained_once():
    assert codes(catalog_of({**TWO, "tools/notes/con/SKILL.md": SKILL})) == ["name_refused"]


def test_a_folder_that_is_not_utf_8_is_no_skill_however_it_is_listed():
    files = {b"tools/skills/\xff/a/SKILL.md": SKILL, b"tools/skills/b/SKILL.md": SKILL}
    catalog = catalog_of(files, entry(skills=["./skills/\ufffd/a", "./skills/\ufffd"]))
    assert list(skills(catalog)) == ["b"]
    assert codes(catalog) == ["name_refused", "skill_missing", "skill_missing"]
