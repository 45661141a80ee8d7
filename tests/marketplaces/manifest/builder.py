"""Repositories for the tests of the manifest package, written as {path: content}."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from marketplaces.git.tree import EXECUTABLE, REGULAR, SUBMODULE, SYMLINK, TreeEntry
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.limits import DEFAULT, Limits
from marketplaces.manifest.plan import Catalog, PlannedPlugin, PlannedSkill
from marketplaces.manifest.report import Finding


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Program:
    content: bytes


@dataclass(frozen=True)
class Absent:
    """A file that git did not send, because it is larger than what was asked for."""


@dataclass(frozen=True)
class Submodule:
    pass


Content: TypeAlias = str | bytes | Link | Program | Absent | Submodule
Files: TypeAlias = Mapping[str, Any] | Mapping[bytes, Any]


@dataclass
class Blobs:
    """The `read` of a built repository; remembers what was asked for."""

    contents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, git_id: str) -> bytes:
        self.asked.append(git_id)
        return self.contents[git_id]

    def add(self, content: bytes) -> str:
        git_id = git_id_of(content)
        self.contents[git_id] = content
        return git_id


def git_id_of(content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def repository_of(files: Files) -> tuple[list[TreeEntry], Blobs]:
    blobs = Blobs()
    entries = []
    for path, content in files.items():
        raw_path = path.encode() if isinstance(path, str) else path
        match content:
            case Link(target):
                mode, raw = SYMLINK, target.encode()
            case Program(program):
                mode, raw = EXECUTABLE, program
            case Absent() | Submodule():
                mode = SUBMODULE if isinstance(content, Submodule) else REGULAR
                entries.append(TreeEntry(raw_path, mode, "0" * 40, None))
                continue
            case str():
                mode, raw = REGULAR, content.encode()
            case bytes():
                mode, raw = REGULAR, content
        entries.append(TreeEntry(raw_path, mode, blobs.add(raw), len(raw)))
    return entries, blobs


def marketplace(*plugins: object, **fields: object) -> str:
    return json.dumps({"name": "acme", "owner": {"name": "Acme"}, "plugins": plugins, **fields})


def entry(name: str = "tools", source: object = "./tools", **fields: Any) -> dict[str, object]:
    return {"name": name, "source": source, **fields}


def skill_md(description: str = "Does one thing.", **fields: str) -> str:
    lines = [f"{key}: {value}" for key, value in {**fields, "description": description}.items()]
    return "\n".join(["---", *lines, "---", "Do it.", ""])


def catalog_of(files: Files, *plugins: object, limits: Limits = DEFAULT, **fields: Any) -> Catalog:
    """Read a repository that lists `plugins` (one called tools, in ./tools, unless told) and holds `files`."""
    manifest = marketplace(*(plugins or (entry(),)), **fields)
    contents: dict[bytes, Content] = {b".claude-plugin/marketplace.json": manifest}
    for path, content in files.items():
        contents[path.encode() if isinstance(path, str) else path] = content
    entries, read = repository_of(contents)
    return read_catalog(entries, read, limits)


def only_plugin(catalog: Catalog) -> PlannedPlugin:
    (plugin,) = catalog.plugins
    return plugin


def skills(catalog: Catalog) -> dict[str, PlannedSkill]:
    return {skill.name: skill for plugin in catalog.plugins for skill in plugin.skills}


def paths(owner: PlannedPlugin | PlannedSkill) -> list[str]:
    return [file.path for file in owner.files]


def codes(catalog: Catalog) -> list[str]:
    return [finding.code for finding in catalog.findings]


def the(catalog: Catalog, code: str) -> Finding:
    """Give the one finding with this code."""
    (finding,) = [finding for finding in catalog.findings if finding.code == code]
    return finding
