"""Where an entry says that its plugin is: in the same repository, or in another one."""

from marketplaces.manifest import findings
from marketplaces.manifest.external import External, read_external
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.marketplace_json import PATH, Entry
from marketplaces.manifest.paths import SourceRefused, folder_of
from marketplaces.manifest.report import NotServed


def plugin_source(entry: Entry, plugin_root: str) -> str | External:
    """Give the folder of an entry's plugin, '' for the root, or the other repository that has it; or raise `NotServed`.

    `plugin_root` is the marketplace's `metadata.pluginRoot`: bare sources are below it.
    """
    if not isinstance(entry.source, str):
        return read_external(entry)
    try:
        return folder_of(entry.source, plugin_root)
    except SourceRefused as refusal:
        facts = {"plugin": entry.name, "source": entry.source, "why": refusal.why}
        raise NotServed(findings.SOURCE_REFUSED.at(PATH, **facts)) from None


def claimed_folder(entry: Json, plugin_root: str) -> str | None:
    """Give the folder that an entry names, even one that is otherwise broken; None when it names none."""
    source = entry.get("source") if isinstance(entry, dict) else None
    try:
        return folder_of(source, plugin_root) if isinstance(source, str) else None
    except SourceRefused:
        return None
