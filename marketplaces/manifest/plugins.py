"""One plugin: its files, what it says of itself, and its skills."""

from dataclasses import dataclass, replace

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
from marketplaces.manifest.remembered import Outcome
from marketplaces.manifest.report import Finding, NotServed, Report
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.skill_folders import SkillFolders
from marketplaces.manifest.skills import SkillPlanner


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin is: a folder of a repository ('' for its root), and who keeps account of what is found there."""

    repository: Repository
    folder: str
    accounted: Accounted
    report: Report


Folder = tuple[int, str]  # of which repository, and where in it


class PluginPlanner:
    """Plans the plugins of one catalog, one after the other: they share what the catalog may hold in all."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._link_budget = LinkBudget(limits.linked_files)
        self._skills_left = limits.skills
        self._names: set[str] = set()
        # Many entries may name one folder: it is listed once, however much of it there is.
        self._listed: dict[Folder, PluginFiles] = {}
        self._linked: dict[Folder, int] = {}  # how many entries the links of a folder have added

    def claim(self, name: str) -> None:
        """Take the plugin's name, or raise `NotServed`.

        Also when the plugin then turns out not to be served: another one must not slip in under its name.
        """
        if (key := folded(name)) in self._names:
            raise NotServed(findings.PLUGIN_NAME_TAKEN.at(PATH, name=name))
        self._names.add(key)

    def recall(self, outcome: Outcome, place: Place) -> bool:
        """Let happen what the plan at `place` came to, without planning; False when the catalog has no room for it now."""
        linked_files = 0 if _folder(place) in self._linked else outcome.linked_files
        if outcome.skill_folders > self._skills_left or linked_files > self._link_budget.left:
            return False
        self._skills_left -= outcome.skill_folders
        self._link_budget.left -= linked_files
        self._linked[_folder(place)] = outcome.linked_files
        place.accounted.all_below(place.repository, place.folder, but=outcome.unlisted)
        for finding in outcome.findings:
            place.report(finding)
        return True

    def plan(self, entry: Entry, place: Place, fingerprint: bytes) -> PlannedPlugin:
        """Plan the plugin at `place`, or raise `NotServed`. What it comes to is noted, to be recalled the next time."""
        is_first = _folder(place) not in self._listed
        skills_left = self._skills_left
        noted: list[Finding] = []

        def report(finding: Finding) -> None:
            noted.append(finding)
            place.report(finding)

        own = replace(place, accounted=Accounted(), report=report)
        try:
            plugin = self._plan(entry, own)
        finally:
            place.accounted.add(own.accounted)
        # Of plugins in one folder the first alone says what is refused there. Where a limit of the whole catalog was met,
        # the plan depends on the plugins before it.
        if not is_first or not self._skills_left or not self._link_budget.left:
            return plugin
        outcome = Outcome(
            fingerprint=fingerprint,
            skill_folders=skills_left - self._skills_left,
            linked_files=self._linked[_folder(place)],
            unlisted=own.accounted.lacking(place.repository, place.folder),
            findings=tuple(noted),
        )
        return replace(plugin, outcome=outcome if outcome.is_short else None)

    def _plan(self, entry: Entry, place: Place) -> PlannedPlugin:
        files = self._files(entry, place)
        own = read_plugin_json(entry, files, place.repository, self._limits, place.report)
        fields = own.over(entry.fields) if own else entry.fields
        advise_on_plugin(entry.name, place.report)
        listed_by_plugin = (own.skills or ()) if own else ()
        folders = SkillFolders(files, entry.name, place.report).of(entry, listed_by_plugin)
        planner = SkillPlanner(
            entry.name, files, fields.author_version, place.repository, self._limits, place.report
        )
        return PlannedPlugin(
            name=entry.name,
            root=place.folder,
            description=fields.description,
            author_version=fields.author_version,
            about=fields.about,
            files=files.files,
            skills=self._skills(entry.name, files, folders, planner, place),
            refused_files=len(files.refused),
        )

    def _files(self, entry: Entry, place: Place) -> PluginFiles:
        root = place.folder.encode()
        if not place.repository.has_folder(root):
            raise NotServed(findings.SOURCE_MISSING.at(PATH, plugin=entry.name, source=place.folder))
        key = _folder(place)
        if key not in self._listed:
            self._link_budget.left += self._linked.pop(key, 0)  # a folder counts once
            left = self._link_budget.left
            files = list_plugin_files(place.repository, root, self._limits, self._link_budget)
            self._linked[key] = left - self._link_budget.left
            for refused in files.refused:
                place.report(refused.finding)
            place.accounted.refused_files(files)
            self._listed[key] = files
        return self._listed[key]

    def _skills(
        self, plugin: str, files: PluginFiles, folders: list[str], planner: SkillPlanner, place: Place
    ) -> tuple[PlannedSkill, ...]:
        for folder in folders:
            place.accounted.skill(files, folder)
        if len(folders) > self._skills_left:
            limit = self._limits.skills
            place.report(findings.TOO_MANY_SKILLS.at(files.from_root(b""), plugin=plugin, limit=limit))
        folders = folders[: self._skills_left]
        self._skills_left -= len(folders)
        skills = []
        for folder in folders:
            try:
                skills.append(planner.plan(folder))
            except NotServed as refusal:
                place.report(refusal.finding)
        return tuple(skills)


def _folder(place: Place) -> Folder:
    return id(place.repository), place.folder
