"""Compare what arrived with what the repository holds, as plain git tells it: nothing of the importer is used here."""

import base64
import json
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from marketplaces.models import PluginListing, SkillListing, SyncFinding
from skillport.demo.explanations import Explanations
from skillport.demo.git_host import git, git_bytes
from skillport.organizations.models import Organization
from skillport.scoping import within


class Differs(Exception):
    """What was served or installed is not what the repository holds."""


class Entry(NamedTuple):
    mode: str
    git_id: str


@dataclass(frozen=True)
class Counts:
    """How many plugins and SKILL.md files the repository has, and how many of them are served."""

    plugins: int
    plugins_served: int
    skills: int
    skills_served: int
    findings: list[str]

    def __str__(self) -> str:
        text = (
            f"marketplace.json has {self.plugins} plugins, {self.plugins_served} are served; "
            f"the repository has {self.skills} SKILL.md, {self.skills_served} are served"
        )
        return "\n      ".join([text, *self.findings])


@dataclass(frozen=True)
class Repository:
    """A bare clone, and its newest commit's files by path."""

    folder: Path
    entries: dict[str, Entry]

    @classmethod
    def clone(cls, url: str, token: str, into: Path) -> "Repository":
        pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader",
                    "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}"}  # fmt: skip
        git("clone", "--quiet", "--bare", "--depth=1", url, str(into), environment=settings if token else {})
        entries = {}
        for record in git_bytes("--git-dir", str(into), "ls-tree", "-r", "-z", "--full-tree", "HEAD").split(
            b"\0"
        ):
            if record:
                described, _, path = record.partition(b"\t")
                mode, _, git_id = described.decode().split()
                entries[path.decode("utf-8", "surrogateescape")] = Entry(mode, git_id)
        return cls(into, entries)

    def read(self, path: str) -> bytes:
        return git_bytes("--git-dir", str(self.folder), "cat-file", "blob", self.entries[path].git_id)

    def below(self, folder: str) -> dict[str, tuple[int, bytes]]:
        """Give mode and content of every file below `folder` ('' for all), with links replaced by what they name."""
        prefix = self._prefix(folder)
        found: dict[str, tuple[int, bytes]] = {}
        for path in self.entries:
            if path.startswith(prefix):
                for name, real in self._real(path):
                    executable = self.entries[real].mode == "100755"
                    found[name.removeprefix(prefix)] = (0o755 if executable else 0o644, self.read(real))
        return found

    def file_count(self, slug: str, skill: dict[str, Any]) -> int:
        prefix = self._prefix(folder_of(slug, skill))
        return sum(path.startswith(prefix) for path in self.entries)

    def behind(self, path: str) -> str:
        """Give the path of what lies at `path`, behind links of any of its folders and of itself."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            head = "/".join(parts[:end])
            if (entry := self.entries.get(head)) and entry.mode == "120000":
                target = posixpath.join(posixpath.dirname(head), self.read(head).decode(), *parts[end:])
                return self.behind(posixpath.normpath(target))
        return path

    def _prefix(self, folder: str) -> str:
        return f"{self.behind(folder)}/" if folder else ""

    def _real(self, path: str) -> list[tuple[str, str]]:
        """Give (name, path of the real file) for a file, or for everything behind a link."""
        if self.entries[path].mode != "120000":
            return [(path, path)]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), self.read(path).decode()))
        if target in self.entries:
            return [(path, real) for _, real in self._real(target)]
        inside = [other for other in self.entries if other.startswith(f"{target}/")]
        return [
            (f"{path}{other.removeprefix(target)}", real) for other in inside for _, real in self._real(other)
        ]


def compare_installed(repository: Repository, slug: str, skill: dict[str, Any], installed: Path) -> str:
    """Compare an installed folder with the repository, file by file. Raises `Differs`; gives what was compared."""
    wanted = repository.below(folder_of(slug, skill))
    there = {
        str(path.relative_to(installed)): (stat.S_IMODE(path.lstat().st_mode), path.read_bytes())
        for path in installed.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if there != wanted:
        names = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
        raise Differs(f"{skill['name']} differs from the repository in: {', '.join(names)}")
    return f"{len(wanted)} files, {sum(len(content) for _, content in wanted.values()):,} bytes, all the same"


def explain_counts(slug: str, repository: Repository) -> Counts:
    """Count plugins and skills on both sides. Raises `Differs` for one that no finding of its own explains."""
    manifest = json.loads(repository.read(".claude-plugin/marketplace.json").decode("utf-8-sig"))
    in_repository = {path for path in repository.entries if posixpath.basename(path) == "SKILL.md"}
    organization = Organization.objects.get(slug=slug)
    with within(organization):
        served = SkillListing.objects.for_organization(organization).current().select_related("skill__plugin")
        roots = dict(
            PluginListing.objects.for_organization(organization).current().values_list("plugin__name", "root")
        )
        listed = {posixpath.join(roots[one.skill.plugin.name], one.folder, "SKILL.md") for one in served}
        findings = list(
            SyncFinding.objects.for_organization(organization).exclude(severity="advice").order_by("id")
        )
    paths = listed | {repository.behind(path) for path in listed}
    explained = Explanations(findings)
    unexplained = [
        *explained.missing_plugins(manifest, set(roots)),
        *(path for path in sorted(in_repository - paths) if not explained.skill_md(path)),
    ]
    if unexplained:
        raise Differs(f"not served and no finding says why: {', '.join(unexplained)}")
    told = [f"{finding.severity}: {finding.path}: {finding.reason}" for finding in findings]
    return Counts(len(manifest["plugins"]), len(roots), len(in_repository), len(paths & in_repository), told)


def folder_of(slug: str, skill: dict[str, Any]) -> str:
    """Give the skill's folder in the repository."""
    organization = Organization.objects.get(slug=slug)
    with within(organization):
        named = {"skill__plugin__name": skill["plugin"], "marketplace__slug": skill["marketplace"]}
        listings = SkillListing.objects.for_organization(organization).current().filter(**named)
        folder = listings.values_list("folder", flat=True).get(skill__name=skill["name"])
        plugins = PluginListing.objects.for_organization(organization).current()
        root = plugins.values_list("root", flat=True).get(
            plugin__name=skill["plugin"], marketplace__slug=skill["marketplace"]
        )
    return posixpath.join(root, folder).strip("/")
