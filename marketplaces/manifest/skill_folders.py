"""Which folders of a plugin are skills."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from marketplaces.manifest import findings
from marketplaces.manifest.marketplace_json import Entry
from marketplaces.manifest.plugin_files import PluginFiles
from marketplaces.manifest.report import Report
from marketplaces.manifest.sources import SourceRefused, folder_of

SKILL_MD: Final = "SKILL.md"
_SKILLS: Final = "skills"


def skill_md_of(folder: str) -> str:
    """Give the path of the SKILL.md in a skill's folder."""
    return f"{folder}/{SKILL_MD}" if folder else SKILL_MD


class SkillFolders:
    """The folders of one plugin that hold a SKILL.md, served or refused: a refused one is a skill all the same."""

    def __init__(self, files: PluginFiles, plugin: str, report: Report) -> None:
        self._files = files
        self._plugin = plugin
        self._report = report
        self._with_skill: set[str] = set()
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        self._miscased: dict[str, str] = {}
        for path in _paths(files):
            folder, _, name = path.rpartition("/")
            if name == SKILL_MD and folder not in self._with_skill:
                self._with_skill.add(folder)
                if folder:
                    self._children[folder.rpartition("/")[0]].append(folder)
            elif name.lower() == SKILL_MD.lower() and name != SKILL_MD:
                self._miscased[folder] = path

    def of(self, entry: Entry, own: Iterable[str]) -> list[str]:
        """Give the skills' folders, each once. `own` is what plugin.json lists beside the entry."""
        if not entry.strict and entry.fields.skills is not None:
            # The entry is the whole manifest then: Claude Code loads what it lists, nothing else.
            return self._listed(entry.fields.skills)
        listed = [*(entry.fields.skills or ()), *own]
        return list(dict.fromkeys([*self._usual(), *self._listed(listed)]))

    def _usual(self) -> list[str]:
        if any(path.startswith(f"{_SKILLS}/") for path in _paths(self._files)):
            for folder in sorted(self._miscased.keys() - self._with_skill):
                if folder.startswith(f"{_SKILLS}/") and folder.count("/") == 1:
                    self._report_miscased(folder)
            return self._children[_SKILLS]
        if "" in self._with_skill:
            return [""]
        self._report_miscased("")
        return []

    def _listed(self, paths: Iterable[str]) -> list[str]:
        folders: dict[str, None] = {}
        for path in dict.fromkeys(paths):
            folders |= dict.fromkeys(self._listed_at(path))
        return list(folders)

    def _listed_at(self, path: str) -> list[str]:
        try:
            folder = folder_of(path)
        except SourceRefused as refusal:
            at = self._files.in_repository("")
            self._report(findings.SKILL_PATH_REFUSED.at(at, plugin=self._plugin, listed=path, why=refusal.why))
            return []
        found = [folder] if folder in self._with_skill else self._children.get(folder, [])
        if not found and not self._report_miscased(folder):
            at = self._files.in_repository(folder)
            self._report(findings.SKILL_MISSING.at(at, plugin=self._plugin, listed=path))
        return found

    def _report_miscased(self, folder: str) -> bool:
        path = self._miscased.get(folder)
        if path is not None:
            self._report(findings.SKILL_MD_MISCASED.at(self._files.in_repository(path)))
        return path is not None


def _paths(files: PluginFiles) -> Iterable[str]:
    yield from (file.path for file in files.files)
    # A place that is not UTF-8 cannot be a skill's folder; the finding about it says so already.
    yield from (refused.place.decode("utf-8", "replace") for refused in files.refused)
