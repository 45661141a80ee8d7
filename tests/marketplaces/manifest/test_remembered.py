"""A plugin that is remembered comes to what it would come to if it were planned: nobody can tell the two apart."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest import remembered
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import DEFAULT, Limits
from marketplaces.manifest.plan import Catalog, PlannedPlugin
from marketplaces.manifest.remembered import Outcome
from skillport.errors import SkillportError
from tests.marketplaces.edits import Tree, commits
from tests.marketplaces.manifest.builder import (
    Blobs,
    Link,
    Program,
    entry,
    marketplace,
    repository_of,
    skill_md,
)
from tests.repositories import Executable
from tests.repositories import Link as LinkTo

TIGHT = replace(
    DEFAULT, skills=7, linked_files=8, plugin_files=14, skill_files=6, file_bytes=1_500, findings=12
)


class Memory:
    """What a series of readings remembers, as the database does, with the plans that an import has carried out."""

    def __init__(self) -> None:
        self.plans: dict[str, PlannedPlugin] = {}
        self.recalled = 0

    def read(self, tree: Tree, limits: Limits) -> Catalog:
        """Read a commit with what is remembered, and put the plans of former readings where none was made."""
        read = read_catalog(*entries_of(tree), limits, recall=self.recall)
        planned = {plugin.name: plugin for plugin in read.plugins}
        self.recalled += len(read.unchanged)
        self.plans = {name: self.plans[name] for name in read.unchanged} | planned
        return replace(read, plugins=tuple(self.plans.values()), unchanged={})

    def recall(self, plugin: str, fingerprint: bytes) -> Outcome | None:
        known = self.plans.get(plugin)
        return known.outcome if known and known.outcome and known.outcome.fingerprint == fingerprint else None


def entries_of(tree: Tree) -> tuple[list[TreeEntry], Blobs]:
    def form(content: Any) -> Any:
        if isinstance(content, Executable):
            return Program(content.content)
        return Link(content.target) if isinstance(content, LinkTo) else content

    return repository_of({path: form(content) for path, content in tree.items()})


def said(catalog: Catalog) -> Catalog:
    """Give all that a catalog says, but for the order of its plugins and for what is remembered of them."""
    plugins = sorted((replace(plugin, outcome=None) for plugin in catalog.plugins), key=lambda one: one.name)
    return replace(catalog, plugins=tuple(plugins))


def outcome_of(read: Callable[[], Catalog]) -> object:
    try:
        return said(read())
    except SkillportError as error:
        return error.code, error.message


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limits", [DEFAULT, TIGHT], ids=["usual", "tight"])
def test_a_series_of_commits_comes_to_the_same_with_and_without_memory(seed: int, limits: Limits) -> None:
    memory, count = Memory(), 60
    for number, tree in enumerate(commits(seed, count)):
        anew = outcome_of(partial(read_catalog, *entries_of(tree), limits))
        assert outcome_of(partial(memory.read, tree, limits)) == anew, f"commit {number} of seed {seed}"
    assert memory.recalled > 30, "most commits leave most plugins alone"


TWO: Tree = {"one/skills/a/SKILL.md": skill_md(), "two/skills/b/SKILL.md": skill_md()}
CATALOG: Tree = {".claude-plugin/marketplace.json": marketplace(entry("one", "./one"), entry("two", "./two"))}


def unchanged(memory: Memory, tree: Tree, limits: Limits = DEFAULT) -> set[str]:
    return set(read_catalog(*entries_of(tree), limits, recall=memory.recall).unchanged)


def test_only_what_has_changed_is_planned_and_read() -> None:
    memory, tree = Memory(), {**CATALOG, **TWO}
    memory.read(tree, DEFAULT)
    assert unchanged(memory, tree) == {"one", "two"}
    changed = {**tree, "two/skills/b/SKILL.md": skill_md("Another thing.")}
    assert unchanged(memory, changed) == {"one"}
    entries, blobs = entries_of(changed)
    read_catalog(entries, blobs, recall=memory.recall)
    asked = [blobs.contents[git_id].decode() for git_id in blobs.asked]
    assert asked == [CATALOG[".claude-plugin/marketplace.json"], skill_md("Another thing.")]


@pytest.mark.parametrize(
    "change",
    [
        {"one/notes.md": "new"},
        {"one/skills/a/SKILL.md": Executable(skill_md().encode())},
        {".claude-plugin/marketplace.json": marketplace(entry("one", "./one", version="2"), entry("two", "./two"))},
        {".claude-plugin/marketplace.json": marketplace(entry("uno", "./one"), entry("two", "./two"))},
        {".claude-plugin/marketplace.json": marketplace(entry("one", "./one", strict=False), entry("two", "./two"))},
    ],
)  # fmt: skip
def test_whatever_a_plan_follows_from_plans_the_plugin_anew(change: Tree) -> None:
    memory = Memory()
    memory.read({**CATALOG, **TWO}, DEFAULT)
    assert unchanged(memory, {**CATALOG, **TWO, **change}) == {"two"}


def test_other_limits_and_other_code_plan_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, tree = Memory(), {**CATALOG, **TWO}
    memory.read(tree, DEFAULT)
    assert unchanged(memory, tree, replace(DEFAULT, skill_files=100)) == set()
    monkeypatch.setattr(remembered, "_edition", lambda: "another release")
    assert unchanged(memory, tree) == set()


def test_a_plugin_with_much_to_say_is_not_remembered() -> None:
    memory = Memory()
    many = {f"two/con/{number}": "x" for number in range(300)}
    memory.read({**CATALOG, **TWO, **many}, DEFAULT)
    assert unchanged(memory, {**CATALOG, **TWO, **many}) == {"one"}


def linking(root: str, count: int) -> Tree:
    """Give a plugin whose one link adds `count` files."""
    behind = {f"{root}/skills/a/more/{number}.md": "x" for number in range(count)}
    return {f"{root}/skills/a/SKILL.md": skill_md(), **behind, f"{root}/linked": LinkTo("skills/a/more")}


def listing(*entries: dict[str, object], **fields: object) -> Tree:
    return {".claude-plugin/marketplace.json": marketplace(*entries, **fields)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["one"], ["one", "two"]),  # the one that is recalled leaves too little for the one that is not
        (["two"], ["one", "two"]),  # and the other way round
        (["one"], ["one", "again", "three"]),  # two plugins in one folder, whose links count once
        (["again"], ["one", "again", "three"]),
        (["two"], ["again", "two", "one"]),
        (["two", "one"], ["one"]),  # a plan that met the limit says nothing of one that does not
    ],
)
@pytest.mark.parametrize("most", range(1, 12))
def test_links_count_against_the_limit_of_the_catalog_whether_planned_or_recalled(
    before: list[str], after: list[str], most: int
) -> None:
    folders = {"one": "./one", "again": "./one", "two": "./two", "three": "./three"}
    files = {**linking("one", 2), **linking("two", 3), **linking("three", 4)}
    limits, memory = replace(DEFAULT, linked_files=most), Memory()
    for names in (before, after, after):
        tree = {**files, **listing(*(entry(name, folders[name]) for name in names))}
        anew = outcome_of(partial(read_catalog, *entries_of(tree), limits))
        assert outcome_of(partial(memory.read, tree, limits)) == anew
    if most > 9:
        assert memory.recalled >= 2


def test_the_same_files_in_another_place_are_planned_anew() -> None:
    memory = Memory()
    twice = {f"{root}/one/skills/a/{name}": "x" for root in ("old", "new") for name in ("SKILL.md", "con")}
    for root in ("old", "new"):
        tree = {**twice, **listing(entry("one", "one"), metadata={"pluginRoot": f"./{root}"})}
        anew = outcome_of(partial(read_catalog, *entries_of(tree)))
        assert outcome_of(partial(memory.read, tree, DEFAULT)) == anew
