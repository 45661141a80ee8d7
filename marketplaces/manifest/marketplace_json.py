"""`.claude-plugin/marketplace.json`: what a repository publishes, entry by entry."""

from dataclasses import dataclass
from typing import Final

from marketplaces.git.tree import SUBMODULE, SYMLINK
from marketplaces.manifest import findings
from marketplaces.manifest.fields import FieldReader, Fields, FieldsInvalid
from marketplaces.manifest.json_files import Json, JsonInvalid, parse_json
from marketplaces.manifest.limits import Limits
from marketplaces.manifest.names import NameRefused, checked_name
from marketplaces.manifest.report import NotServed, Report
from marketplaces.manifest.repository import Repository
from skillport.errors import SkillportError

PATH: Final = ".claude-plugin/marketplace.json"
_NAME_CHARACTERS: Final = 128


class MarketplaceJsonMissing(SkillportError):
    code, status = "marketplace_json_missing", 422
    message = (
        f"The repository has no file {PATH}, and no folders that a catalog could be made of. Add that file; or put "
        "skills into skills/<name>/SKILL.md, or plugins into plugins/<name>/ with .claude-plugin/plugin.json or a skills "
        "folder. Then sync again."
    )


class MarketplaceJsonTooLarge(SkillportError):
    code, status = "marketplace_json_too_large", 422

    def __init__(self, limit: int) -> None:
        super().__init__(f"{PATH} is larger than {limit} bytes. Make it smaller and sync again.")


class MarketplaceJsonInvalid(SkillportError):
    code, status = "marketplace_json_invalid", 422

    def __init__(self, why: str) -> None:
        super().__init__(f"{PATH} cannot be read: {why}. Correct it and sync again.")


class TooManyPlugins(SkillportError):
    code, status = "too_many_plugins", 422

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"{PATH} lists {count} plugins, more than {limit}. Divide it into two marketplaces and sync again."
        )


@dataclass(frozen=True, slots=True)
class Marketplace:
    """The file as a whole. `plugin_root` is where bare sources begin; entries are still unread.

    `renames` says which name a plugin had before and has now.
    """

    name: str
    description: str
    plugin_root: str
    entries: list[Json]
    renames: dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One plugin as marketplace.json lists it. `source` is a text or an object."""

    name: str
    source: str | dict[str, Json]
    strict: bool
    fields: Fields


def read_marketplace(repository: Repository, limits: Limits, report: Report) -> Marketplace:
    """Read `.claude-plugin/marketplace.json`, or raise what leaves no usable catalog.

    Source: Claude Code plugin-marketplace reference, checked 2026-11. Unknown keys are ignored.
    """
    document = _document(repository, limits)
    entries = document.get("plugins")
    if not isinstance(entries, list):
        raise MarketplaceJsonInvalid("it has no list `plugins`")
    if len(entries) > limits.plugins:
        raise TooManyPlugins(len(entries), limits.plugins)
    top = FieldReader(document, PATH, "the marketplace", report)
    metadata = document.get("metadata")
    below = FieldReader(
        metadata if isinstance(metadata, dict) else {}, PATH, "the marketplace's metadata", report
    )
    name = top.text("name", _NAME_CHARACTERS)
    if not name:
        report(findings.CATALOG_NAME_MISSING.at(PATH))
    return Marketplace(
        name=name,
        description=top.text("description") or below.text("description"),
        plugin_root=below.text("pluginRoot"),
        entries=entries,
        renames=_renames(document.get("renames"), limits),
    )


def _renames(value: Json, limits: Limits) -> dict[str, str]:
    """Read `renames`, without those that have no name now (null: removed) or a name that nobody may have."""
    told = list(value.items()) if isinstance(value, dict) else []
    return {
        old: new
        for old, new in told[: limits.plugins]
        if isinstance(new, str) and _is_name(old) and _is_name(new)
    }


def _is_name(name: str) -> bool:
    try:
        checked_name(name)
    except NameRefused:
        return False
    return True


def read_entry(value: Json, number: int, limits: Limits, report: Report) -> Entry:
    """Read one entry, or raise `NotServed`. `number` counts from 1, for entries without a name."""
    if not isinstance(value, dict):
        raise _invalid(f"Entry {number}", "it is not an object")
    name = value.get("name")
    if not isinstance(name, str):
        raise _invalid(f"Entry {number}", "it has no `name`")
    try:
        checked_name(name)
    except NameRefused as refusal:
        raise NotServed(findings.PLUGIN_NAME_REFUSED.at(PATH, name=name, why=refusal.why)) from None
    owner = f"The plugin “{name}”"
    source, strict = value.get("source"), value.get("strict", True)
    if not isinstance(source, str | dict):
        raise _invalid(owner, "it has no `source`")
    if not isinstance(strict, bool):
        raise _invalid(owner, "`strict` is neither true nor false")
    try:
        fields = FieldReader(value, PATH, f"the plugin “{name}”", report).fields(limits)
    except FieldsInvalid as error:
        raise _invalid(owner, error.why) from None
    return Entry(name, source, strict, fields)


def _document(repository: Repository, limits: Limits) -> dict[str, Json]:
    entry = repository.entry(PATH.encode())
    if entry is None or entry.mode in {SYMLINK, SUBMODULE}:
        raise MarketplaceJsonMissing
    if entry.size_bytes is None or entry.size_bytes > limits.marketplace_json_bytes:
        raise MarketplaceJsonTooLarge(limits.marketplace_json_bytes)
    try:
        document = parse_json(repository.read(entry.git_id))
    except JsonInvalid as error:
        raise MarketplaceJsonInvalid(error.why) from None
    if not isinstance(document, dict):
        raise MarketplaceJsonInvalid("it is not an object")
    return document


def _invalid(entry: str, why: str) -> NotServed:
    return NotServed(findings.ENTRY_INVALID.at(PATH, entry=entry, why=why))
