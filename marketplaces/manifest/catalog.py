"""From one commit of a repository to the plan of what it serves."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from marketplaces.git.tree import TreeEntry
from marketplaces.manifest import findings
from marketplaces.manifest.accounted import Accounted
from marketplaces.manifest.derived import read_listing
from marketplaces.manifest.external import External, FindMirror, finding_of, no_mirrors
from marketplaces.manifest.limits import DEFAULT, Limits
from marketplaces.manifest.marketplace_json import PATH, read_entry
from marketplaces.manifest.plan import Catalog, PlannedPlugin
from marketplaces.manifest.plugins import Place, PluginPlanner
from marketplaces.manifest.remembered import Recall, fingerprint_of, nothing_remembered
from marketplaces.manifest.report import Finding, NotServed, Report, gravest
from marketplaces.manifest.repository import Repository
from marketplaces.manifest.sources import claimed_folder, plugin_source


def read_catalog(
    entries: Iterable[TreeEntry],
    read: Callable[[str], bytes],
    limits: Limits = DEFAULT,
    own_name: str = "skills",
    find_mirror: FindMirror = no_mirrors,
    tell: Report = lambda _: None,
    recall: Recall = nothing_remembered,
) -> Catalog:
    """Plan what the commit with these `entries` serves, and say what it does not and why.

    `read` gives the content of a git id; it is called for manifests, SKILL.md, links and files of less than a KiB, which
    may be pointers of Git LFS. What it raises goes through: that is how a caller ends a reading that takes too long. What is
    broken is left out with a finding, and the rest is served; where nothing could be served, raises one of the errors of
    `marketplace_json`.

    A repository without marketplace.json is served by its folders (`derived.py`); skills outside of plugins are then in
    one called `own_name`.
    `find_mirror` gives the mirrors of plugins that are kept in other repositories. It is called once for each of them
    that the catalog lists. What is found in a mirror is said with its address before the path.
    `tell` hears of each finding at once, of some more than once. `recall` gives what came of a plugin's plan the last time;
    those that it knows are not planned again, and everything that is said of them is said as if they were.

    Plugins and skills made of the same files share one tuple of them, so that a caller may work on each tuple once.
    """
    repository = Repository(entries, read)
    reported: list[Finding] = []

    def report(finding: Finding) -> None:
        reported.append(finding)
        tell(finding)

    listing = read_listing(repository, own_name, limits, report)
    marketplace = listing.marketplace
    accounted = Accounted()
    planner = PluginPlanner(limits)
    mirrors = _Mirrors(find_mirror, report)
    plugins: list[PlannedPlugin] = []
    unchanged: dict[str, bytes] = {}
    for number, value in enumerate(marketplace.entries, start=1):
        place: Place | None = None
        try:
            entry = read_entry(value, number, limits, report)
            planner.claim(entry.name)
            source = plugin_source(entry, marketplace.plugin_root)
            place = (
                Place(repository, source, accounted, report)
                if isinstance(source, str)
                else mirrors.place(entry.name, source)
            )
            fingerprint = fingerprint_of(entry, place.repository, place.folder, limits)
            outcome = recall(entry.name, fingerprint)
            if outcome is not None and planner.recall(outcome, place):
                unchanged[entry.name] = fingerprint
            else:
                plugins.append(planner.plan(entry, place, fingerprint))
        except NotServed as refusal:
            (place.report if place else report)(refusal.finding)
            # Its skills are not served because it is not: no need to say so of each.
            if (folder := claimed_folder(value, marketplace.plugin_root)) is not None:
                accounted.absent_plugin(folder)
    for path in accounted.others(repository):
        report(findings.SKILL_NOT_LISTED.at(path))
    return Catalog(
        name=marketplace.name,
        description=marketplace.description,
        plugins=tuple(plugins),
        findings=tuple(gravest(reported, limits.findings)),
        unchanged=unchanged,
        renames=marketplace.renames,
        derived=listing.derived,
    )


class _Mirrors:
    """The other repositories that plugins of one catalog come from."""

    def __init__(self, find: FindMirror, report: Report) -> None:
        self._find = find
        self._report = report
        # What else a mirror holds is nothing of this catalog's: nobody has to hear of it.
        self._accounted = Accounted()

    def place(self, plugin: str, external: External) -> Place:
        """Give where the plugin is, or raise `NotServed`."""
        mirror = self._find(plugin, external)
        finding = finding_of(plugin, external, mirror)
        if mirror.repository is None:
            # A mirror that is ready has a repository.
            raise NotServed(finding or findings.EXTERNAL_WAITING.at(PATH, plugin=plugin, url=external.url))
        if finding is not None:
            self._report(finding)

        def at_its_address(found: Finding) -> None:
            told = found.path == PATH
            self._report(found if told else replace(found, path=f"{external.url} {found.path}"[:500]))

        return Place(mirror.repository, external.folder, self._accounted, at_its_address)
