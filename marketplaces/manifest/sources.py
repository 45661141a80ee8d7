"""Where an entry says that its plugin is, and where a plugin says that its skills are."""

from marketplaces.manifest import findings
from marketplaces.manifest.display import brief
from marketplaces.manifest.json_files import Json
from marketplaces.manifest.marketplace_json import PATH, Entry
from marketplaces.manifest.names import NameRefused, checked_path
from marketplaces.manifest.report import NotServed


class SourceRefused(ValueError):
    """The text does not name a folder of the same repository. `why` continues a sentence that begins with it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def plugin_folder(entry: Entry, plugin_root: str) -> str:
    """Give the folder of an entry's plugin, '' for the root; or raise `NotServed`.

    `plugin_root` is the marketplace's `metadata.pluginRoot`: bare sources are below it.
    """
    if isinstance(entry.source, str):
        try:
            return folder_of(entry.source, plugin_root)
        except SourceRefused as refusal:
            facts = {"plugin": entry.name, "source": entry.source, "why": refusal.why}
            raise NotServed(findings.SOURCE_REFUSED.at(PATH, **facts)) from None
    kind = entry.source.get("source", "unknown")
    if kind == "command":
        raise NotServed(findings.COMMAND_SOURCE_REFUSED.at(PATH, plugin=entry.name))
    raise NotServed(findings.EXTERNAL_SOURCE.at(PATH, plugin=entry.name, kind=brief(kind)))


def claimed_folder(entry: Json, plugin_root: str) -> str | None:
    """Give the folder that an entry names, even one that is otherwise broken; None when it names none."""
    source = entry.get("source") if isinstance(entry, dict) else None
    try:
        return folder_of(source, plugin_root) if isinstance(source, str) else None
    except SourceRefused:
        return None


def folder_of(source: str, base: str = "") -> str:
    """Give the folder that a relative path names, '' for the root; or raise `SourceRefused`.

    `./x` is meant from the root; a bare `x` is below `base`.
    """
    if not source:
        raise SourceRefused("is empty")
    bare = not (source == "." or source.startswith("./"))
    segments = _segments(base) + _segments(source) if bare and base else _segments(source)
    if not segments:
        return ""
    try:
        # An escape in JSON may stand for half a character; as bytes that is not UTF-8, and refused as such.
        return checked_path("/".join(segments).encode("utf-8", "surrogatepass"))
    except NameRefused as refusal:
        raise SourceRefused(refusal.why) from None


def _segments(path: str) -> list[str]:
    if path.startswith(("/", "~")):
        raise SourceRefused("is not a relative path")
    if "://" in path:
        raise SourceRefused("is an address, not a folder")
    return [segment for segment in path.split("/") if segment not in {"", "."}]
