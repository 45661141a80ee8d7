"""One plugin: its files, what it says of itself, and its skills."""

from marketplaces.manifest import findings
from marketplaces.manifest.fields import Fields
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
from marketplaces.manifest.skills import SkillPlanner, skill_name


class PluginPlanner:
    """Plans the plugins of one catalog, one after the other: they share what the catalog as a whole may hold."""

    def __init__(self, repository: Repository, limits: Limits, report: Report) -> None:
        self._repository = repository
        self._limits = limits
        self._report = report
        self._link_budget = LinkBudget(limits.linked_files)
        self._skills_left = limits.skills
        self._names: set[str] = set()
        # Many entries may name one folder: it is listed once, however much of it there is.
        self._listed: dict[str, PluginFiles] = {}

    def plan(self, entry: Entry, root: str) -> tuple[PlannedPlugin, PluginFiles, list[str]]:
        ...
