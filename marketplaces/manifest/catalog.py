"""From one commit of a repository to the plan of what it serves."""

from collections.abc import Callable, Iterable

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest import findings
from marketplaces.manifest.accounted import Accounted
from marketplaces.manifest.limits import DEFAULT, Limits
from marketplaces.manifest.marketplace_json import read_entry, read_marketplace
from marketplaces.manifest.plan import Catalog, PlannedPlugin
from marketplaces.manifest.plugins import PluginPlanner
from marketplaces.manifest.report import Finding, NotServed, gravest
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.sources import claimed_folder, plugin_folder


def read_catalog(
    entries: Iterable[TreeEntry], read: Callable[[str], bytes], limits: Limits = DEFAULT
) -> Catalog:
    """Plan what the commit with these `entries` serves, and say what it does not and why.

    `read` gives the content of a git id; it is called for manifests, SKILL.md and links only. What it raises goes
    through: that is how a caller ends a reading that takes too long. What is broken is left out with a finding, and
    the rest is served; where nothing could be served, raises one of the errors of `marketplace_json`.

    Plugins and skills made of the same files share one tuple of them, so that a caller may work on each tuple once.
    """
    repository = Repository(entries, read)
    reported: list[Finding] = []
    marketplace = read_marketplace(repository, limits, reported.append)
    accounted = Accounted()
    planner = PluginPlanner(repository, accounted, limits, reported.append)
    plugins: list[PlannedPlugin] = []
    for number, value in enumerate(marketplace.entries, start=1):
        try:
            entry = read_entry(value, number, limits, reported.append)
            plugins.append(planner.plan(entry, plugin_folder(entry, marketplace.plugin_root)))
        except NotServed as refusal:
            reported.append(refusal.finding)
            # Its skills are not served because it is not: no need to say so of each.
            if (folder := claimed_folder(value, marketplace.plugin_root)) is not None:
                accounted.absent_plugin(folder)
    reported += [findings.SKILL_NOT_LISTED.at(path) for path in accounted.others(repository)]
    return Catalog(
        name=marketplace.name,
        description=marketplace.description,
        plugins=tuple(plugins),
        findings=tuple(gravest(reported, limits.findings)),
    )
