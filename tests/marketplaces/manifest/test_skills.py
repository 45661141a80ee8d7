from typing import Any

import pytest

from marketplaces.manifest.limits import Limits
from tests.marketplaces.manifest.builder import (
    Absent,
    Link,
    Submodule,
    catalog_of,
    codes,
    entry,
    only_plugin,
    paths,
    skill_md,
    skills,
    the,
)  # fmt: skip

GOOD = {"tools/skills/good/SKILL.md": skill_md()}


def one_skill(content: str | bytes, folder: str = "a", **fields: Any) -> tuple[Any, list[str]]:
    catalog = catalog_of({f"tools/skills/{folder}/SKILL.md": content}, entry(**fields))
    return skills(catalog).get(folder), codes(catalog)


def test_a_skills_files_are_everything_below_its_folder():
    files = {"tools/skills/a/SKILL.md": skill_md(), "tools/skills/a/x/y.md": "y", "tools/skills/ab/z.md": "z"}
    assert paths(skills(catalog_of(files))["a"]) == ["SKILL.md", "x/y.md"]


def test_the_frontmatter_is_kept_and_the_description_made_fit_to_show():
    skill, reported = one_skill("---\ndescription: |\n  Reads\n  a\u200b contract.\nextra: [1]\n---\n")
    assert skill.frontmatter == {"description": "Reads\na\u200b contract.\n", "extra": [1]}
    assert skill.description == "Reads a contract."
    assert reported == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("# No frontmatter\n", "frontmatter_missing"),
        ("---\nname: a\n---\n", "description_missing"),
        ("---\n---\n", "description_missing"),
        ("---\ndescription:\n---\n", "description_missing"),
        ("---\ndescription: '  '\n---\n", "description_missing"),
        ("---\ndescription: [a]\n---\n", "description_missing"),
    ],
)
def test_a_skill_without_a_description_is_served_with_a_warning(content, code):
    skill, reported = one_skill(content)
    assert skill.description == ""
    assert reported == [code]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"---\n\xff\n---\n", "skill_md_not_utf8"),
        ("---\na: b: c\n---\n", "frontmatter_invalid"),
        ("---\na: " + "[" * 50_000 + "\n---\n", "frontmatter_invalid"),
        ("x" * (256 * 1024 + 1), "skill_md_too_large"),
    ],
)
def test_a_skill_that_cannot_be_read_is_absent(content, code):
    skill, reported = one_skill(content)
    assert skill is None
    assert reported == [code]


@pytest.mark.parametrize("folder", ["two words", "é", "x.", "aux", "n" * 101])
def test_a_skill_whose_name_is_refused_is_absent(folder):
    catalog = catalog_of({**GOOD, f"tools/skills/{folder}/SKILL.md": skill_md()})
    assert list(skills(catalog)) == ["good"]
    assert {"skill_name_refused", "name_refused"} & set(codes(catalog))


def test_a_second_skill_of_the_same_name_is_absent_whatever_its_case():
    files = {"tools/skills/a/SKILL.md": skill_md("First."), "tools/extra/A/SKILL.md": skill_md("Second.")}
    catalog = catalog_of(files, entry(skills="./extra"))
    assert [skill.description for skill in skills(catalog).values()] == ["First."]
    assert the(catalog, "skill_name_taken").path == "tools/extra/A"


def test_a_name_stays_taken_when_its_first_skill_is_not_served():
    files = {"tools/skills/a/SKILL.md": b"\xff", "tools/extra/A/SKILL.md": skill_md("Second.")}
    assert skills(catalog_of(files, entry(skills="./extra"))) == {}


def test_two_plugins_may_have_skills_of_one_name():
    files = {"a/skills/x/SKILL.md": skill_md(), "b/skills/x/SKILL.md": skill_md()}
    catalog = catalog_of(files, entry("a", "./a"), entry("b", "./b"))
    assert [len(plugin.skills) for plugin in catalog.plugins] == [1, 1]


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("references/con.md", "x", "name_refused"),
        ("big.bin", Absent(), "file_too_large"),
        ("vendor", Submodule(), "submodule_refused"),
        (
            "model.bin",
            "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n",
            "large_file_pointer",
        ),
        ("gone", Link("nowhere"), "link_dangling"),
        ("Skill.md", "x", "name_collides"),
    ],
)
def test_a_skill_is_whole_or_absent(path, content, code):
    files = {**GOOD, "tools/skills/a/SKILL.md": skill_md(), f"tools/skills/a/{path}": content}
    catalog = catalog_of(files)
    assert list(skills(catalog)) == ["good"]
    assert only_plugin(catalog).refused_files == 1
    why = the(catalog, code)
    refused = the(catalog, "skill_refused")
    assert why.path in refused.reason
    assert why.reason in refused.reason
    assert refused.path == "tools/skills/a"


def test_a_skill_may_have_so_many_files_and_no_more():
    files = {"tools/skills/a/SKILL.md": skill_md(), "tools/skills/a/b": "x"}
    assert list(skills(catalog_of(files, limits=Limits(skill_files=2)))) == ["a"]
    assert codes(catalog_of(files, limits=Limits(skill_files=1))) == ["skill_too_many_files"]


def test_a_skill_may_be_so_large_and_no_larger():
    files = {"tools/skills/a/SKILL.md": skill_md(), "tools/skills/a/b": "x"}
    size = len(skill_md()) + 1
    assert list(skills(catalog_of(files, limits=Limits(skill_bytes=size)))) == ["a"]
    assert codes(catalog_of(files, limits=Limits(skill_bytes=size - 1))) == ["skill_too_large"]


def test_a_catalog_may_have_so_many_skills_and_no_more():
    files = {f"{plugin}/skills/{name}/SKILL.md": skill_md() for plugin in "ab" for name in "xyz"}
    catalog = catalog_of(files, entry("a", "./a"), entry("b", "./b"), limits=Limits(skills=4))
    assert [[skill.name for skill in plugin.skills] for plugin in catalog.plugins] == [["x", "y", "z"], ["x"]]
    assert [(finding.code, finding.path) for finding in catalog.findings] == [("too_many_skills", "b")]


@pytest.mark.parametrize(
    ("frontmatter", "version"),
    [
        ("version: 1.10", "1.10"),
        ("version: 2\nmetadata: {version: 3}", "2"),
        ("metadata:\n  version: 1.20", "1.20"),
        ("license: MIT", "9.9.9"),
        ("metadata: text", "9.9.9"),
    ],
)
def test_the_version_is_the_skills_own_or_else_the_plugins(frontmatter, version):
    skill, reported = one_skill(f"---\ndescription: x\n{frontmatter}\n---\n", version="9.9.9")
    assert skill.author_version == version
    assert reported == []


@pytest.mark.parametrize("version", ["one point two", "[1]", "1.0/2", "'" + "1" * 61 + "'"])
def test_a_version_that_cannot_be_used_is_left_out_with_a_warning(version):
    skill, reported = one_skill(f"---\ndescription: x\nversion: {version}\n---\n", version="9.9.9")
    assert skill.author_version == "9.9.9"
    assert reported == ["version_ignored"]


def test_the_folder_names_the_skill_and_another_name_in_it_is_advice():
    skill, reported = one_skill("---\nname: b\ndescription: x\n---\n")
    assert skill.name == "a"
    assert reported == ["skill_name_differs"]


@pytest.mark.parametrize("folder", ["Upper", "under_score", "dot.ted", "double--hyphen", "x" * 65])
def test_a_name_that_other_clients_refuse_is_served_with_advice(folder):
    skill, reported = one_skill(skill_md(), folder)
    assert skill is not None
    assert reported == ["skill_name_not_portable"]


def test_a_long_description_is_served_cut_with_advice():
    skill, reported = one_skill(skill_md("x" * 3_000))
    assert len(skill.description) == 2_000
    assert len(skill.frontmatter["description"]) == 3_000
    assert reported == ["description_long"]
    assert one_skill(skill_md("x" * 1_024))[1] == []
