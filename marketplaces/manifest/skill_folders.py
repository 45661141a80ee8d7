"""Which folders of a plugin are skills: the usual ones, and those that its manifests list."""

from collections.abc import Iterable

from marketplaces.manifest import findings
from marketplaces.manifest.marketplace_json import Entry
from marketplaces.manifest.paths import SourceRefused, folder_of
from marketplaces.manifest.plugin_files import PluginFiles
from marketplaces.manifest.report import Report
from marketplaces.manifest.skill_index import SKILLS_FOLDER


class SkillFolders:
    """Finds the skills of one plugin. One whose SKILL.md is refused is found all the same, so that it is missed."""

    def __init__(self, files: PluginFiles, plugin: str, report: Report) -> None:
        self._files = files
        self._index = files.skill_index
        self._plugin = plugin
        self._report = report

    def of(self, entry: Entry, listed_by_plugin: Iterable[str]) -> list[str]:
        """Give the skills' folders, each once; `listed_by_plugin` are the paths in plugin.json."""
        if not entry.strict and entry.fields.skills is not None:
            # The entry is the whole manifest then: Claude Code loads what it lists, nothing else.
            return self._listed(entry.fields.skills)
        listed = [*(entry.fields.skills or ()), *listed_by_plugin]
        return list(dict.fromkeys([*self._usual(), *self._listed(listed)]))

    def _usual(self) -> list[str]:
        if self._index.has_skills_folder:
            for folder in self._index.miscased_children(SKILLS_FOLDER):
                self._report_miscased(folder)
            return self._index.children(SKILLS_FOLDER)
        if self._index.holds(""):
            return [""]
        self._report_miscased("")
        return []

    def _listed(self, paths: Iterable[str]) -> list[str]:
        folders: dict[str, None] = {}
        for path in dict.fromkeys(paths):
            folders |= dict.fromkeys(self._listed_at(path))
        return list(folders)

    def _listed_at(self, path: str) -> list[str]:
        facts = {"plugin": self._plugin, "listed": path}
        try:
            folder = folder_of(path)
        except SourceRefused as refusal:
            at = self._files.in_repository("")
            self._report(findings.SKILL_PATH_REFUSED.at(at, why=refusal.why, **facts))
            return []
        found = [folder] if self._index.holds(folder) else self._index.children(folder)
        if not found and not self._report_miscased(folder):
            self._report(findings.SKILL_MISSING.at(self._files.in_repository(folder), **facts))
        return found

    def _report_miscased(self, folder: str) -> bool:
        path = self._index.miscased(folder)
        if path is not None:
            self._report(findings.SKILL_MD_MISCASED.at(self._files.in_repository(path)))
        return path is not None
