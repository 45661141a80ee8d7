"""What a commit would have us serve: the plan that an import carries out."""

from dataclasses import dataclass, field
from typing import NamedTuple

from marketplaces.manifest.json_files import Json
from marketplaces.manifest.remembered import Outcome
from marketplaces.manifest.report import Finding


class PlannedFile(NamedTuple):
    """A file to serve. `path` is relative to the root of the plugin or skill that holds it."""

    path: str
    git_id: str
    executable: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PlannedSkill:
    """A skill to serve, whole. `folder` is its path inside the plugin, '' when the plugin's root is the skill.

    `frontmatter` is as the author wrote it; `description` is fit to be shown. Files are sorted by path.
    """

    name: str
    folder: str
    description: str
    author_version: str
    frontmatter: dict[str, Json]
    files: tuple[PlannedFile, ...]


@dataclass(frozen=True, slots=True)
class PlannedPlugin:
    """A plugin to serve, from the folder `root` of the repository, '' for all of it.

    With `refused_files` > 0 it is not whole, and only its skills may be served. `about` has author, category, tags,
    keywords, license and homepage, where given. Files are sorted by path. `outcome` is None when the plan depends on more
    than the plugin, and is not to be remembered.
    """

    name: str
    root: str
    description: str
    author_version: str
    about: dict[str, Json]
    files: tuple[PlannedFile, ...]
    skills: tuple[PlannedSkill, ...]
    refused_files: int
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything one commit publishes, in the order of its marketplace.json, and what its authors should know.

    `unchanged` are the plugins that were not planned, because it is remembered what would come of it: their fingerprints,
    by name. `renames` has plugins' former names, each with the name that it has by now.
    `derived`: there is no such file, and the repository's folders speak for it.
    """

    name: str
    description: str
    plugins: tuple[PlannedPlugin, ...]
    findings: tuple[Finding, ...]
    unchanged: dict[str, bytes] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)
    derived: bool = False
