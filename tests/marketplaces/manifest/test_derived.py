"""Repositories without marketplace.json: what is served of them, and under which names."""

import json
import random

import pytest

from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import DEFAULT, Limits
from marketplaces.manifest.marketplace_json import MarketplaceJsonMissing, TooManyPlugins
from marketplaces.manifest.plan import Catalog
from tests.marketplaces.manifest.builder import (
    Absent,
    Files,
    codes,
    marketplace,
    repository_of,
    skill_md,
    the,
)


def derived(files: Files, limits: Limits = DEFAULT) -> Catalog:
    entries, read = repository_of(files)
    return read_catalog(entries, read, limits, "acme-skills")


def served(catalog: Catalog) -> dict[str, list[str]]:
    return {plugin.name: [skill.name for skill in plugin.skills] for plugin in catalog.plugins}


def named(name: str, **fields: object) -> str:
    return json.dumps({"name": name, **fields})


LAYOUTS = {
    "a plugin by its plugin.json": (
        {"plugins/a/.claude-plugin/plugin.json": named("tools"), "plugins/a/commands/x.md": "x"},
        {"tools": []},
    ),
    "a plugin by its skills": ({"plugins/a/skills/one/SKILL.md": skill_md()}, {"a": ["one"]}),
    "a plugin that is a skill": ({"plugins/a/SKILL.md": skill_md()}, {"a": ["a"]}),
    "loose skills": (
        {"skills/b/SKILL.md": skill_md(), "skills/a/SKILL.md": skill_md(), "skills/notes/x.md": "x"},
        {"acme-skills": ["a", "b"]},
    ),
    "skills at the top": (
        {"b/SKILL.md": skill_md(), "a/SKILL.md": skill_md(), "docs/x": "x"},
        {"acme-skills": ["a", "b"]},
    ),
    "one skill that is the repository": ({"SKILL.md": skill_md(), "x.py": "x"}, {"acme-skills": ["acme-skills"]}),
    "a skill at the top beside a SKILL.md of its own": (
        {"SKILL.md": skill_md(), "skills/a/SKILL.md": skill_md()}, {"acme-skills": ["a"]}
    ),
    "a plugin that is the repository": (
        {".claude-plugin/plugin.json": named("superpowers"), "skills/a/SKILL.md": skill_md(), "hooks/x": "x"},
        {"superpowers": ["a"]},
    ),
    "a plugin that is the repository, and skills beside its own": (
        {".claude-plugin/plugin.json": named("whole"), "skills/a/SKILL.md": skill_md(), "b/SKILL.md": skill_md()},
        {"whole": ["a", "b"]},
    ),
    "everything at once": (
        {
            "plugins/p/skills/one/SKILL.md": skill_md(), "skills/two/SKILL.md": skill_md(), "three/SKILL.md": skill_md(),
            "plugins/README.md": "x", "plugins/docs/x.md": "x", ".github/SKILL.md": "x",
        },
        {"p": ["one"], "acme-skills": ["two", "three"]},
    ),
    "a plugin that is called as the marketplace is": (
        {"plugins/acme-skills/skills/a/SKILL.md": skill_md(), "skills/b/SKILL.md": skill_md()},
        {"acme-skills": ["a"], "acme-skills-skills": ["b"]},
    ),
    "two plugins that say the same name": (
        {"plugins/a/.claude-plugin/plugin.json": named("x"), "plugins/b/.claude-plugin/plugin.json": named("X")},
        {"x": [], "b": []},
    ),
    "a plugin.json that cannot be read": (
        {"plugins/a/.claude-plugin/plugin.json": "{", "plugins/a/skills/one/SKILL.md": skill_md()},
        {"a": ["one"]},
    ),
    "a plugin.json whose name cannot be used": (
        {"plugins/a/.claude-plugin/plugin.json": named("../b"), "plugins/a/skills/one/SKILL.md": skill_md()},
        {"a": ["one"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_make_the_catalog(layout):
    files, wanted = LAYOUTS[layout]
    catalog = derived(files)
    assert served(catalog) == wanted
    assert catalog.derived
    assert "catalog_derived" in codes(catalog)


def test_with_a_marketplace_json_nothing_is_derived():
    files = {".claude-plugin/marketplace.json": marketplace(), "skills/a/SKILL.md": skill_md()}
    catalog = derived(files)
    assert (served(catalog), catalog.derived) == ({}, False)
    assert codes(catalog) == ["skill_not_listed"]


def test_the_same_content_makes_the_same_catalog_in_whatever_order_it_is_listed():
    files, _ = LAYOUTS["everything at once"]
    entries, read = repository_of(files)
    first = read_catalog(entries, read, DEFAULT, "acme-skills")
    for seed in range(20):
        random.Random(seed).shuffle(entries)
        assert read_catalog(entries, read, DEFAULT, "acme-skills") == first


NOTHING: dict[str, Files] = {
    "nothing at all": {"README.md": "x"},
    "other people's skills": {".claude/skills/a/SKILL.md": skill_md()},
    "folders without skills": {"plugins/a/README.md": "x", "skills/README.md": "x"},
    "a skill two levels down": {"a/b/SKILL.md": skill_md()},
    "a name that is no text": {b"\xff/SKILL.md": skill_md()},
    "a plugin.json elsewhere": {"plugin.json": named("x")},
}


@pytest.mark.parametrize("layout", NOTHING)
def test_a_repository_without_any_of_it_is_told_what_to_add(layout):
    with pytest.raises(MarketplaceJsonMissing) as raised:
        derived(NOTHING[layout])
    for wanted in (".claude-plugin/marketplace.json", "skills/<name>/SKILL.md", "plugins/<name>/"):
        assert wanted in raised.value.message


def test_a_folder_whose_name_no_plugin_may_have_is_left_out_with_a_finding():
    catalog = derived({"plugins/My plugin/skills/a/SKILL.md": skill_md(), "plugins/b/SKILL.md": skill_md()})
    assert served(catalog) == {"b": ["b"]}
    assert the(catalog, "derived_name_refused").path == "plugins/My plugin"


def test_a_plugin_json_that_is_too_large_gives_no_name():
    for content in (Absent(), named("x", description="x" * 300_000)):
        files = {"plugins/a/.claude-plugin/plugin.json": content, "plugins/a/skills/one/SKILL.md": skill_md()}
        assert served(derived(files)) == {"a": ["one"]}


def test_there_is_a_most_of_derived_plugins_too():
    with pytest.raises(TooManyPlugins):
        derived({f"plugins/{name}/SKILL.md": skill_md() for name in "abc"}, Limits(plugins=2))
