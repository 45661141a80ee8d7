"""Commit after commit of one repository, each a random edit of the one before: as people change things, and as they break them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.repositories import Content, Executable, Link, skill

_SAMPLE: Final = Path(__file__).parents[2] / "marketplaces" / "sample"
_CATALOG: Final = ".claude-plugin/marketplace.json"
_NAMES: Final = ["alpha", "beta", "Alpha", "con", "gamma-ray", "ünïcode", "skills", "docs", "x" * 120]
_TEXTS: Final[list[Content]] = [
    skill("some", "Does something."), skill("some", "Does something else."), "no frontmatter\n", "---\nname: [\n---\n",
    "---\nname: a\nversion: 1.2.3\ndescription: |\n  Long.\n---\n", b"\xff\xfe", "\ufeff---\r\nname: b\r\n---\r\n",
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1234567890\n", "x" * 2_000,
]  # fmt: skip

Tree = dict[str, Content]


def commits(seed: int, count: int) -> Iterator[Tree]:
    """Give the sample repository and then `count` edits of it. Every seed is a history of its own, always the same."""
    tree, chance = _sample(), Random(seed)
    yield dict(tree)
    for _ in range(count):
        if chance.random() < 0.5:
            _write(tree, _document(tree))  # who has broken the catalog mends it soon
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            chance.choice(_EDITS)(tree, chance)
        _make_room(tree, chance)
        yield dict(tree)


def _sample() -> Tree:
    files = [path for path in _SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    tree: Tree = {str(path.relative_to(_SAMPLE)): path.read_bytes() for path in files}
    tree.setdefault("sharing/skills/outside/SKILL.md", skill("outside"))
    tree.setdefault("plugins/data/notes/SKILL.md", skill("notes"))
    plugins = sorted({path.split("/")[1] for path in tree if path.startswith("plugins/")})
    entries = [{"name": one, "source": f"./plugins/{one}", "version": "1.0.0"} for one in plugins]
    _write(tree, {"name": "sample", "owner": {"name": "Acme"}, "plugins": entries})
    return tree


def _write(tree: Tree, document: Any) -> None:
    tree[_CATALOG] = json.dumps(document)


def _change(tree: Tree, chance: Random) -> None:
    path = chance.choice(sorted(tree))
    if path != _CATALOG:
        tree[path] = chance.choice(_TEXTS)


def _add(tree: Tree, chance: Random) -> None:
    name = chance.choice(
        ["SKILL.md", "skill.md", "notes.md", "Notes.md", "a.py", ".claude-plugin/plugin.json", ".git"]
    )
    tree[f"{_folder(tree, chance)}/{name}"] = chance.choice(_TEXTS)


def _add_skill(tree: Tree, chance: Random) -> None:
    place = chance.choice([f"{_plugin(tree, chance)}/skills", _plugin(tree, chance), "skills", "elsewhere"])
    tree[f"{place}/{chance.choice(_NAMES)}/SKILL.md"] = chance.choice(_TEXTS)


def _remove(tree: Tree, chance: Random) -> None:
    path = chance.choice(sorted(tree))
    if path != _CATALOG or chance.random() < 0.1:
        del tree[path]


def _remove_folder(tree: Tree, chance: Random) -> None:
    folder = _folder(tree, chance)
    for path in [path for path in tree if path.startswith(f"{folder}/") and path != _CATALOG]:
        del tree[path]


def _move_folder(tree: Tree, chance: Random) -> None:
    folder, to = _folder(tree, chance), f"{_plugin(tree, chance)}/skills/{chance.choice(_NAMES)}"
    for path in [path for path in tree if path.startswith(f"{folder}/") and path != _CATALOG]:
        tree[to + path.removeprefix(folder)] = tree.pop(path)


def _make_executable(tree: Tree, chance: Random) -> None:
    path = chance.choice(sorted(tree))
    if isinstance(content := tree[path], bytes):
        tree[path] = Executable(content)


def _link(tree: Tree, chance: Random) -> None:
    target = chance.choice(
        ["../skills", ".", "..", "../..", "SKILL.md", "../../sharing/skills/outside", "gone", "/etc/passwd"]
    )
    tree[f"{_folder(tree, chance)}/{chance.choice(['linked', 'SKILL.md', 'more'])}"] = Link(target)


def _write_plugin_json(tree: Tree, chance: Random) -> None:
    said = chance.choice(
        [
            "{",
            {"name": "other"},
            {"version": "2.0.0"},
            {"skills": ["./notes", "./gone"]},
            {"skills": 1},
            {"description": "D"},
        ]
    )
    text = said if isinstance(said, str) else json.dumps(said)
    tree[f"{_plugin(tree, chance)}/.claude-plugin/plugin.json"] = text


def _edit_catalog(tree: Tree, chance: Random) -> None:
    document = _document(tree)
    entries = document["plugins"]
    if len(entries) < 3:
        document = json.loads(str(_sample()[_CATALOG]))
        entries = document["plugins"]
    entry = chance.choice(entries)
    match chance.randrange(9):
        case 0:
            chance.shuffle(entries)
        case 1:
            entries.append({**entry, "name": chance.choice(_NAMES)})  # a second plugin in the same folder
        case 2:
            entry["version"] = chance.choice(["1.0.0", "1.1.0", 3, ""])
        case 3:
            entry["skills"] = chance.choice([["./notes"], ["./skills"], "./skills/gone", 4])
        case 4:
            entry["strict"] = chance.choice([True, False])
        case 5:
            entry["source"] = chance.choice(
                ["./plugins/data", "./plugins", "./", "./gone", "../x", _plugin(tree, chance)]
            )
        case 6:
            entry["description"] = chance.choice(["One.", "Two.", 5])
        case 7:
            entries.remove(entry)
        case _:
            entries.insert(
                chance.randrange(len(entries) + 1), {"name": "another", "source": _plugin(tree, chance)}
            )
    _write(tree, document)


def _document(tree: Tree) -> Any:
    """Give the catalog as it stands, or the sample's where it is broken or missing."""
    try:
        document = json.loads(str(tree.get(_CATALOG)))
        return document if document["plugins"] else json.loads(str(_sample()[_CATALOG]))
    except (ValueError, LookupError, TypeError):
        return json.loads(str(_sample()[_CATALOG]))


def _break_catalog(tree: Tree, chance: Random) -> None:
    if chance.random() < 0.2:
        tree[_CATALOG] = chance.choice(["{", '{"name": "empty", "plugins": []}'])


def _edit_beside(tree: Tree, chance: Random) -> None:
    tree["README.md"] = f"{chance.random()}\n"


_EDITS: Final[list[Callable[[Tree, Random], None]]] = [
    _change, _change, _add, _add_skill, _remove, _remove_folder, _move_folder, _make_executable, _link, _write_plugin_json,
    _edit_catalog, _edit_catalog, _edit_catalog, _break_catalog, _edit_beside,
]  # fmt: skip


def _make_room(tree: Tree, chance: Random) -> None:
    """Make a tree of it that git can hold: where something became a file, nothing is below it."""
    for path in list(tree):
        if any(path.startswith(f"{other}/") for other in tree):
            del tree[path]
    if len(tree) < 8:
        for path, content in _sample().items():
            if chance.random() < 0.5:
                tree.setdefault(path, content)
        _make_room(tree, chance)


def _folder(tree: Tree, chance: Random) -> str:
    folders = sorted({path.rpartition("/")[0] for path in tree} - {"", ".claude-plugin"})
    return chance.choice(folders) if folders else "plugins/data"


def _plugin(tree: Tree, chance: Random) -> str:
    plugins = sorted({"/".join(path.split("/")[:2]) for path in tree if path.startswith("plugins/")})
    return chance.choice(plugins) if plugins else "plugins/data"
