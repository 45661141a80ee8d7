"""One plugin: its files, what it says of itself, and its skills."""

from marketplaces.manifest import findings
from marketplaces.manifest.accounted import Accounted
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.links import LinkBudget
from marketplaces.manifest.marketplace_json import PATH, Entry
from marketplaces.manifest.names import folded
from marketplaces.manifest.plan import PlannedPlugin, PlannedSkill
from marketplaces.manifest.plugin_files import PluginFiles, list_plugin_files
from marketplaces.manifest.plugin_json import read_plugin_json
from marketplaces.manifest.portability import advise_on_plugin
from marketplaces.manifest.report import NotServed, Report
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.skill_folders import SkillFolders
from marketplaces.manifest.skills import SkillPlanner


class PluginPlanner:
    """Plans the plugins of one catalog, one after the other: they share what the catalog may hold in all."""

    def __init__(self, repository: Repository, accounted: Accounted, limits: Limits, report: Report) -> None:
        self._repository = repository
        self._accounted = accounted
        self._limits = limits
        self._report = report
        self._link_budget = LinkBudget(limits.linked_files)
        self._skills_left = limits.skills
        self._names: set[str] = set()
        # Many entries may name one folder: it is listed once, however much of it there is.
        self._listed: dict[str, PluginFiles] = {}

    def plan(self, entry: Entry, folder: str) -> PlannedPlugin:
        """Plan the plugin in `folder`, '' for the repository's root, or raise `NotServed`."""
        self._claim(entry.name)
        files = self._files(entry, folder)
        own = read_plugin_json(entry, files, self._repository, self._limits, self._report)
        fields = own.over(entry.fields) if own else entry.fields
        advise_on_plugin(entry.name, self._report)
        listed_by_plugin = (own.skills or ()) if own else ()
        folders = SkillFolders(files, entry.name, self._report).of(entry, listed_by_plugin)
        planner = SkillPlanner(
            entry.name, files, fields.author_version, self._repository, self._limits, self._report
        )
        return PlannedPlugin(
            name=entry.name,
            root=folder,
            description=fields.description,
            author_version=fields.author_version,
            about=fields.about,
            files=files.files,
            skills=self._skills(entry.name, files, folders, planner),
            refused_files=len(files.refused),
        )

    def _claim(self, name: str) -> None:
        # Also when the plugin then turns out not to be served: another one must not slip in under its name.
        if (key := folded(name)) in self._names:
            raise NotServed(findings.PLUGIN_NAME_TAKEN.at(PATH, name=name))
        self._names.add(key)

    def _files(self, entry: Entry, folder: str) -> PluginFiles:
        root = folder.encode()
        if not self._repository.has_folder(root):
            raise NotServed(findings.SOURCE_MISSING.at(PATH, plugin=entry.name, source=folder))
        if folder not in self._listed:
            files = list_plugin_files(self._repository, root, self._limits, self._link_budget)
            for refused in files.refused:
                self._report(refused.finding)
            self._accounted.refused_files(files)
            self._listed[folder] = files
        return self._listed[folder]

    def _skills(
        self, plugin: str, files: PluginFiles, folders: list[str], planner: SkillPlanner
    ) -> tuple[PlannedSkill, ...]:
        for folder in folders:
            self._accounted.skill(files, folder)
        if len(folders) > self._skills_left:
            limit = self._limits.skills
            self._report(findings.TOO_MANY_SKILLS.at(files.from_root(b""), plugin=plugin, limit=limit))
        folders = folders[: self._skills_left]
        self._skills_left -= len(folders)
        skills = []
        for folder in folders:
            try:
                skills.append(planner.plan(folder))
            except NotServed as refusal:
                self._report(refusal.finding)
        return tuple(skills)
