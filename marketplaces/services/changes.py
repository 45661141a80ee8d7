"""What differs between two snapshots of a marketplace, by plugin and skill: added, changed, removed or renamed.

Snapshots are ranges over listings, so this costs what differs and not what is there. A rename is what the
repository's `renames` says, and otherwise one that went and one that came with the same files.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from marketplaces.models import PluginListing, SkillListing

Name = tuple[str, str]  # plugin, and skill or '' for the plugin itself
_MOST_NAMED: Final = 200  # in a summary, which is kept with each run


class What(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A plugin or skill as one snapshot lists it. `folder` is the skill's in its plugin, or the plugin's root."""

    plugin: str
    skill: str
    release_id: int
    files: int
    version: str
    folder: str
    description: str
    about: Any

    @property
    def key(self) -> Name:
        return self.plugin, self.skill

    @property
    def name(self) -> str:
        return f"{self.plugin}/{self.skill}" if self.skill else self.plugin


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` is None for what was added, `after` for what was removed."""

    what: What
    before: Listed | None
    after: Listed | None

    @property
    def newest(self) -> Listed:
        found = self.after or self.before
        assert found is not None  # noqa: S101 one of the two is always there
        return found

    @property
    def was(self) -> str:
        """Give the former name of what was renamed, '' for the rest."""
        return self.before.name if self.before and self.what is What.RENAMED else ""

    @property
    def told(self) -> list[str]:
        """Name what is said differently of it, beside its files."""
        if self.before is None or self.after is None:
            return []
        names = {"version": "version", "description": "description", "about": "details", "folder": "folder"}
        return [
            word for field, word in names.items() if getattr(self.before, field) != getattr(self.after, field)
        ]


def between(
    organization_id: UUID, marketplace_id: UUID, older: int, newer: int, renames: Mapping[str, str]
) -> list[Change]:
    """Give what changes on the way from snapshot `older` to `newer`, by name; either may have the larger number.

    Runs inside the caller's scope.
    """
    before = {one.key: one for one in _only_in(organization_id, marketplace_id, older, newer)}
    after = {one.key: one for one in _only_in(organization_id, marketplace_id, newer, older)}
    # What was taken away and has come back as it was is no change.
    same = {key for key, one in before.items() if after.get(key) == one}
    before, after = ({key: one for key, one in side.items() if key not in same} for side in (before, after))
    removed = {key: one for key, one in before.items() if key not in after}
    added = {key: one for key, one in after.items() if key not in before}
    renamed = dict(_pairs(removed, added, renames))
    found = [Change(What.CHANGED, one, after[key]) for key, one in before.items() if key in after]
    found += [Change(What.RENAMED, removed[old], added[new]) for old, new in renamed.items()]
    found += [Change(What.REMOVED, one, None) for key, one in removed.items() if key not in renamed]
    found += [Change(What.ADDED, None, one) for key, one in added.items() if key not in renamed.values()]
    return sorted(found, key=lambda change: change.newest.key)


def listed_in(
    organization_id: UUID, marketplace_id: UUID, number: int, plugins: Iterable[str]
) -> list[Listed]:
    """Give the skills that snapshot `number` lists of these plugins."""
    rows = SkillListing.objects.for_organization(organization_id).filter(
        _contains(number), marketplace_id=marketplace_id, skill__plugin__name__in=list(plugins)
    )
    return list(_skills(rows))


def _only_in(organization_id: UUID, marketplace_id: UUID, number: int, other: int) -> Iterator[Listed]:
    narrowed = Q(_contains(number), ~_contains(other), marketplace_id=marketplace_id)
    plugins = PluginListing.objects.for_organization(organization_id).filter(narrowed)
    for name, root, *rest in plugins.values_list("plugin__name", "root", *_SAID):
        yield _listed(name, "", root, rest)
    yield from _skills(SkillListing.objects.for_organization(organization_id).filter(narrowed))


_SAID: Final = ("release_id", "release__file_count", "version", "description", "about")


def _skills(rows: Any) -> Iterator[Listed]:
    for plugin, name, folder, *rest in rows.values_list(
        "skill__plugin__name", "skill__name", "folder", *_SAID
    ):
        yield _listed(plugin, name, folder, rest)


def _listed(plugin: str, skill: str, folder: str, rest: list[Any]) -> Listed:
    release_id, files, version, description, about = rest
    return Listed(
        plugin=plugin, skill=skill, folder=folder, release_id=release_id, files=files, version=version,
        description=description, about=about,
    )  # fmt: skip


def _contains(number: int) -> Q:
    # Said without a NULL in the middle, so that its negation is what it looks like.
    return Q(first_number__lte=number) & (
        Q(end_number__isnull=True) | Q(end_number__isnull=False, end_number__gt=number)
    )


def _pairs(
    removed: Mapping[Name, Listed], added: Mapping[Name, Listed], renames: Mapping[str, str]
) -> Iterator[tuple[Name, Name]]:
    """Give what became what. Nothing is given twice."""
    went, came = dict(removed), dict(added)
    plugins: dict[str, str] = {}

    def pair(old: Name, new: Name) -> tuple[Name, Name]:
        del went[old], came[new]
        if not old[1]:
            plugins[old[0]] = new[0]
        return old, new

    for old, new in renames.items():
        if (old, "") in went and (new, "") in came:
            yield pair((old, ""), (new, ""))
    for is_skill in (False, True):
        if is_skill:
            for old_plugin, new_plugin in plugins.items():
                for old_key in [key for key in went if key[0] == old_plugin and key[1]]:
                    if (new_plugin, old_key[1]) in came:
                        yield pair(old_key, (new_plugin, old_key[1]))
        # By content, and by content and plugin; both in the order of names. Thousands may have the same files.
        by_files: dict[int, dict[Name, None]] = {}
        nearer: dict[tuple[int, str], dict[Name, None]] = {}
        for key, one in sorted(came.items()):
            if bool(key[1]) is is_skill and one.files:
                by_files.setdefault(one.release_id, {})[key] = None
                nearer.setdefault((one.release_id, key[0]), {})[key] = None
        for key in [key for key in sorted(went) if bool(key[1]) is is_skill]:
            release, plugin = went[key].release_id, plugins.get(key[0], key[0])
            if same_files := by_files.get(release):
                nearest = next(iter(nearer.get((release, plugin)) or same_files))
                del same_files[nearest], nearer[release, nearest[0]][nearest]
                yield pair(key, nearest)


# --- in short, as it is kept with a run -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    added: int
    changed: int
    removed: int
    renamed: int

    def words(self, thing: str) -> list[str]:
        told = {what: getattr(self, what) for what in What}
        return [f"{count} {thing}{'' if count == 1 else 's'} {what}" for what, count in told.items() if count]


@dataclass(frozen=True, slots=True)
class Named:
    what: str
    kind: str  # plugin or skill
    name: str
    was: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run changed of what members had before, which was snapshot `since`, with the first 200 names."""

    since: int
    plugins: Counts
    skills: Counts
    named: list[Named]

    @property
    def words(self) -> str:
        return (
            ", ".join([*self.skills.words("skill"), *self.plugins.words("plugin")])
            or "nothing that members get"
        )

    @property
    def unnamed(self) -> int:
        """Count what has no name here because there is too much of it."""
        counted: list[int] = [getattr(some, what) for some in (self.plugins, self.skills) for what in What]
        return sum(counted) - len(self.named)


def summary(changes: list[Change], *, since: int) -> dict[str, Any]:
    """Give the changes since snapshot `since` (0: none) in short, as JSON."""
    counted = {kind: dict.fromkeys(What, 0) for kind in ("plugin", "skill")}
    for one in changes:
        counted[_kind(one)][one.what] += 1
    named = [[one.what, _kind(one), one.newest.name, one.was] for one in changes[:_MOST_NAMED]]
    return {"since": since, "plugins": counted["plugin"], "skills": counted["skill"], "named": named}


def read_summary(kept: dict[str, Any] | None) -> Summary | None:
    """Read what `summary` gave; None for a run that changed nothing, or that is older than this record."""
    if kept is None:
        return None
    plugins, skills = (Counts(**{what: kept[kind][what] for what in What}) for kind in ("plugins", "skills"))
    return Summary(kept["since"], plugins, skills, [Named(*one) for one in kept["named"]])


def _kind(change: Change) -> str:
    return "skill" if change.newest.skill else "plugin"
