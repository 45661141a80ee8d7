"""A catalog for a repository without marketplace.json, made of the folders that it has.

What counts, wherever it is found:

- `.claude-plugin/plugin.json` at the root: the repository is a plugin, as it is for Claude Code;
- `plugins/*/` with `.claude-plugin/plugin.json`, with `skills/*/SKILL.md` or with a SKILL.md: a plugin each;
- `skills/*/SKILL.md` and `*/SKILL.md` outside of plugins, else a SKILL.md at the root: the skills of the plugin at the
  root, or of one made for them, which is called as the marketplace is.

The result is what a marketplace.json would have said, so that everything after it is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from marketplaces.git.tree import SUBMODULE, SYMLINK
from marketplaces.manifest import findings
from marketplaces.manifest.json_files import Json, JsonInvalid, parse_json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.marketplace_json import (
    PATH,
    Marketplace,
    MarketplaceJsonMissing,
    TooManyPlugins,
    read_marketplace,
)
from marketplaces.manifest.names import NameRefused, checked_name, folded
from marketplaces.manifest.report import Report
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.skill_index import SKILL_MD, SKILLS_FOLDER, skill_md_of

_PLUGINS_FOLDER = "plugins"
_PLUGIN_JSON = ".claude-plugin/plugin.json"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository publishes, and whether we had to find it out ourselves."""

    marketplace: Marketplace
    derived: bool


def read_listing(repository: Repository, own_name: str, limits: Limits, report: Report) -> Listing:
    """Read marketplace.json or, where there is none, derive it. `own_name` is what the marketplace is called.

    Raises the errors of `marketplace_json`.
    """
    if repository.entry(PATH.encode()) is not None:
        return Listing(read_marketplace(repository, limits, report), derived=False)
    entries = _Deriving(repository, own_name, limits, report).entries()
    if not entries:
        raise MarketplaceJsonMissing
    if len(entries) > limits.plugins:
        raise TooManyPlugins(len(entries), limits.plugins)
    return Listing(
        Marketplace(name="", description="", plugin_root="", entries=entries, renames={}), derived=True
    )


class _Deriving:
    """One repository's folders, looked through once."""

    def __init__(self, repository: Repository, own_name: str, limits: Limits, report: Report) -> None:
        self._repository = repository
        self._own_name = own_name
        self._limits = limits
        self._report = report
        self._taken: set[str] = set()

    def entries(self) -> list[Json]:
        """Give the entries that a marketplace.json would have: the root first, then the rest by folder."""
        folders = self._plugin_folders()
        loose = self._loose_skills()
        entries: list[Json] = []
        if self._holds(_PLUGIN_JSON):
            # Its own `skills` folder counts by itself; what lies beside it has to be listed.
            beside = [folder for folder in loose if not folder.startswith(f"{SKILLS_FOLDER}/")]
            entries += self._entry("", beside)
            loose = []
        for folder in folders:
            entries += self._entry(folder)
        if not entries and not loose and self._holds(SKILL_MD):
            loose = [""]
        if loose:
            entries.append(
                {"name": self._free_name(), "source": "./", "strict": False, "skills": _listed(loose)}
            )
        if entries:
            self._report(findings.CATALOG_DERIVED.at(PATH, plugins=len(entries), loose=len(loose)))
        return entries

    def _entry(self, folder: str, skills: Sequence[str] = ()) -> list[Json]:
        """Give the entry of the plugin in `folder`, or nothing and a finding when no name can be made for it."""
        own = self._own_name if not folder else folder.rpartition("/")[2]
        # What plugin.json says counts, as for Claude Code; where another has that name already, the folder's.
        named = next((name for name in (self._name_in(folder), own) if name and self._is_free(name)), own)
        try:
            checked_name(named)
        except NameRefused as refusal:
            self._report(findings.DERIVED_NAME_REFUSED.at(folder, name=named, why=refusal.why))
            return []
        self._taken.add(folded(named))
        # Not strict: where plugin.json cannot be read, the folder is a plugin all the same. Nothing else depends on it.
        entry: dict[str, Json] = {"name": named, "source": f"./{folder}", "strict": False}
        return [{**entry, "strict": True, "skills": _listed(skills)} if skills else entry]

    def _name_in(self, folder: str) -> str:
        """Give the name in a plugin.json, '' when there is none that can be used."""
        entry = self._repository.entry(f"{folder}/{_PLUGIN_JSON}".lstrip("/").encode())
        if entry is None or entry.mode in {SYMLINK, SUBMODULE} or entry.size_bytes is None:
            return ""
        if entry.size_bytes > self._limits.plugin_json_bytes:
            return ""
        try:
            values = parse_json(self._repository.read(entry.git_id))
            name = values.get("name") if isinstance(values, dict) else None
            return checked_name(name) if isinstance(name, str) else ""
        except (JsonInvalid, NameRefused):
            return ""

    def _is_free(self, name: str) -> bool:
        return folded(name) not in self._taken

    def _free_name(self) -> str:
        """Give the name of the plugin that is made for loose skills."""
        names = (self._own_name, f"{self._own_name}-skills", f"{self._own_name}-loose-skills")
        return next(filter(self._is_free, names), self._own_name)

    def _plugin_folders(self) -> list[str]:
        found = []
        for folder in self._children(_PLUGINS_FOLDER):
            has_skills = any(
                self._holds(skill_md_of(child)) for child in self._children(f"{folder}/{SKILLS_FOLDER}")
            )
            if has_skills or self._holds(f"{folder}/{_PLUGIN_JSON}") or self._holds(skill_md_of(folder)):
                found.append(folder)
        return found

    def _loose_skills(self) -> list[str]:
        folders = [*self._children(SKILLS_FOLDER), *self._children("")]
        return [folder for folder in folders if self._holds(skill_md_of(folder))]

    def _children(self, folder: str) -> list[str]:
        """Give the folders right below `folder`, sorted. Hidden ones hold what is for somebody else."""
        names: dict[str, None] = {}
        prefix = f"{folder}/".encode() if folder else b""
        for entry in self._repository.below(folder.encode()):
            name, slash, _ = entry.path[len(prefix) :].partition(b"/")
            if slash and not name.startswith(b"."):
                names.setdefault(_text(name))
        names.pop("", None)
        return sorted(f"{folder}/{name}" if folder else name for name in names)

    def _holds(self, path: str) -> bool:
        return self._repository.entry(path.encode()) is not None


def _listed(folders: Iterable[str]) -> list[Json]:
    return [f"./{folder}" for folder in folders]


def _text(name: bytes) -> str:
    """Give a name as text, '' when it is none: no plugin can be called so, and nobody can list it."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return ""
