"""Which missing plugins and skills a sync's findings explain: each needs one that names it."""

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any, Final

from marketplaces.manifest.display import escaped
from marketplaces.models import SyncFinding

# Findings at a skill's folder, and at marketplace.json or plugin.json, that say what is not served. Written down here
# once more: a comparison that asked the importer could not find it wrong.
_OF_A_SKILL: Final = {
    "skill_name_refused", "skill_name_taken", "skill_refused", "skill_too_many_files", "skill_too_large"
}  # fmt: skip
_OF_A_PLUGIN: Final = {
    "entry_invalid", "plugin_name_refused", "plugin_name_taken", "source_refused", "source_missing", "external_source",
    "external_source_refused", "external_host_not_allowed", "external_waiting", "external_failed", "external_too_many",
    "command_source_refused", "plugin_json_invalid",
}  # fmt: skip


class Explanations:
    """What the findings of a sync explain."""

    def __init__(self, findings: Iterable[SyncFinding]) -> None:
        found = list(findings)
        self._places = {(one.code, one.path) for one in found}
        self._about_plugins = [one.reason for one in found if one.code in _OF_A_PLUGIN]
        # A warning about a file is no reason why it is not served, but for this one.
        self._paths = {one.path for one in found if one.severity == "error" or one.code == "skill_not_listed"}
        self._absent_folders: set[str] = set()

    def missing_plugins(self, manifest: dict[str, Any], served: set[str]) -> Iterator[str]:
        """Give the entries of marketplace.json that are not served and that no finding names."""
        left = set(served)
        base = (manifest.get("metadata") or {}).get("pluginRoot", "")
        for number, entry in enumerate(manifest["plugins"], start=1):
            name = entry.get("name") if isinstance(entry, dict) else None
            if name in left:
                left.remove(name)  # a second entry of this name is not the one that is served
                continue
            folder = _source_of(entry, base)
            called = f"“{escaped(name)}”" if isinstance(name, str) else f"Entry {number} "
            if any(called in reason for reason in self._about_plugins) or self._is_too_much(folder):
                self._absent_folders |= set() if folder is None else {folder}
            else:
                yield f"the plugin {called.strip()}"

    def skill_md(self, path: str) -> bool:
        """Tell whether a finding explains why the SKILL.md at `path` is not served.

        It names the file, the skill's folder, or a plugin of which nothing (more) is served.
        """
        own, *above = _folders_of(path)
        return (
            _shown(path) in self._paths
            or any((code, _shown(own)) in self._places for code in _OF_A_SKILL)
            or any(("too_many_skills", _shown(folder)) in self._places for folder in (own, *above))
            or not self._absent_folders.isdisjoint((own, *above))
        )

    def _is_too_much(self, folder: str | None) -> bool:
        return folder is not None and ("plugin_too_many_files", _shown(folder)) in self._places


def _source_of(entry: Any, base: str) -> str | None:
    """Give the folder that an entry of marketplace.json names, '' for the root; None when it names none."""
    source = entry.get("source") if isinstance(entry, dict) else None
    if not isinstance(source, str):
        return None
    is_bare = not (source == "." or source.startswith("./"))
    folder = posixpath.normpath(posixpath.join(base if is_bare else "", source))
    return "" if folder == "." else folder


def _folders_of(path: str) -> list[str]:
    """Give the folder of a path and all above it, the nearest first and '' for the root last."""
    folders = [posixpath.dirname(path)]
    while folders[-1]:
        folders.append(posixpath.dirname(folders[-1]))
    return folders


def _shown(path: str) -> str:
    """Give a path as findings write it."""
    return escaped(path.encode("utf-8", "surrogateescape"), 500) or "."
