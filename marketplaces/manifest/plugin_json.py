"""`.claude-plugin/plugin.json`: what a plugin says of itself. It is optional."""

from typing import Final

from marketplaces.manifest import findings
from marketplaces.manifest.display import brief
from marketplaces.manifest.fields import FieldReader, Fields, FieldsInvalid
from marketplaces.manifest.json_files import Json, JsonInvalid, parse_json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.marketplace_json import Entry
from marketplaces.manifest.plugin_files import PluginFiles
from marketplaces.manifest.report import NotServed, Report
from marketplaces.manifest.repository import Repository

_PATH: Final = ".claude-plugin/plugin.json"


class PluginJsonInvalid(ValueError):
    """The file is there but cannot be used. `why` says what is wrong with it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def read_plugin_json(
    entry: Entry, files: PluginFiles, repository: Repository, limits: Limits, report: Report
) -> Fields | None:
    """Give what the plugin says of itself, None when it says nothing that can be used.

    Raises `NotServed` when the file is broken and the entry is strict, which means: counts on it.
    """
    path = files.in_repository(_PATH)
    try:
        values = _values(files, repository, limits)
        fields = (
            FieldReader(values, path, f"the plugin “{entry.name}”", report).fields(limits) if values else None
        )
    except (PluginJsonInvalid, JsonInvalid, FieldsInvalid) as error:
        kind = findings.PLUGIN_JSON_INVALID if entry.strict else findings.PLUGIN_JSON_IGNORED
        finding = kind.at(path, plugin=entry.name, why=error.why)
        if entry.strict:
            raise NotServed(finding) from None
        report(finding)
        return None
    own_name = values.get("name", entry.name)
    if own_name != entry.name:
        report(findings.PLUGIN_NAME_DIFFERS.at(path, own=brief(own_name), name=entry.name))
    return fields


def _values(files: PluginFiles, repository: Repository, limits: Limits) -> dict[str, Json]:
    file = files.by_path.get(_PATH)
    if file is None:
        if any(refused.place == _PATH.encode() for refused in files.refused):
            raise PluginJsonInvalid("it is among the files that are refused")
        return {}
    if file.size_bytes > limits.plugin_json_bytes:
        raise PluginJsonInvalid(f"it is larger than {limits.plugin_json_bytes} bytes")
    values = parse_json(repository.read(file.git_id))
    if not isinstance(values, dict):
        raise PluginJsonInvalid("it is not an object")
    return values
