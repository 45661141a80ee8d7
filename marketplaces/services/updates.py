"""What has become of the skills that somebody has installed: the same, newer, called otherwise, withdrawn."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db.models import Q

from marketplaces.models import Skill, SkillListing
from marketplaces.services.catalog import SkillSummary, readable
from skillport.principal import Principal
from skillport.scoping import within

MOST_INSTALLED: Final = 200


class State(StrEnum):
    CURRENT = "current"
    NEWER = "newer"  # there is another release than the one installed
    RENAMED = "renamed"
    WITHDRAWN = "withdrawn"  # was served, and is no more
    AMBIGUOUS = "ambiguous"  # several skills have that name by now
    UNKNOWN = "unknown"  # never was, or is not the caller's to see: the same answer for both


@dataclass(frozen=True, slots=True)
class Installed:
    """A skill as somebody has it: `skill`, `plugin/skill` or `marketplace/plugin/skill`, and what is known of its content.

    The digest (`sha256:…`) tells more than the version; with neither, any release counts as newer.
    """

    name: str
    version: str = ""
    digest: str = ""

    def is_of(self, skill: SkillSummary) -> bool:
        return self.digest == skill.digest if self.digest else self.version == skill.version


@dataclass(frozen=True, slots=True)
class Checked:
    """What has become of one: `skill` is what there is now of it, `candidates` are the names to choose from."""

    name: str
    state: State
    skill: SkillSummary | None = None
    candidates: tuple[str, ...] = ()


def check_updates(*, principal: Principal, installed: Sequence[Installed]) -> list[Checked]:
    """Say of each installed skill, in their order, what has become of it. At most `MOST_INSTALLED` are looked at.

    Only of what `principal` may read: a skill that the rules hide is as unknown as one that never was.
    """
    installed = installed[:MOST_INSTALLED]
    names = {one.name.rpartition("/")[2] for one in installed}
    with within(principal.organization):
        served = _by_name(SkillSummary.of(row) for row in readable(principal).filter(skill__name__in=names))
        strangers = _strangers(principal, installed, served)
        missing = [one for one in installed if one.name not in served]
        withdrawn, renamed = _gone(principal, missing)
    return [
        Checked(one.name, State.AMBIGUOUS, candidates=(served[one.name][0].full_name,))
        if one in strangers
        else _checked(one, served.get(one.name, []), withdrawn, renamed)
        for one in installed
    ]


def _strangers(
    principal: Principal, installed: Sequence[Installed], served: Mapping[str, list[SkillSummary]]
) -> set[Installed]:
    """Give what has a short name that one skill has now, and files that this one never had: it may be another's."""
    doubtful = {
        one: found[0]
        for one in installed
        if "/" not in one.name
        and len(found := served.get(one.name, [])) == 1
        and one.digest not in {"", found[0].digest}
    }
    digests = {digest for one in doubtful if (digest := _bytes_of(one.digest))}
    former = SkillListing.objects.for_organization(principal.organization).filter(
        skill_id__in={skill.skill_id for skill in doubtful.values()}, release__digest__in=digests
    )
    known = {
        (skill_id, bytes(digest)) for skill_id, digest in former.values_list("skill_id", "release__digest")
    }
    return {one for one, skill in doubtful.items() if (skill.skill_id, _bytes_of(one.digest)) not in known}


def _bytes_of(digest: str) -> bytes:
    """Give the bytes of `sha256:…`, none for what is no digest."""
    try:
        return bytes.fromhex(digest.removeprefix("sha256:"))
    except ValueError:
        return b""


def _checked(
    one: Installed, found: list[SkillSummary], withdrawn: set[str], renamed: Mapping[str, SkillSummary]
) -> Checked:
    if len(found) > 1:
        exactly = [skill for skill in found if one.digest and skill.digest == one.digest]
        if len(exactly) != 1:
            return Checked(
                one.name, State.AMBIGUOUS, candidates=tuple(sorted(skill.full_name for skill in found))
            )
        found = exactly
    if found:
        return Checked(one.name, State.CURRENT if one.is_of(found[0]) else State.NEWER, found[0])
    if one.name in renamed:
        return Checked(one.name, State.RENAMED, renamed[one.name])
    return Checked(one.name, State.WITHDRAWN if one.name in withdrawn else State.UNKNOWN)


def _by_name(skills: Iterable[SkillSummary]) -> Mapping[str, list[SkillSummary]]:
    """Give the skills by each of the names that they may be called."""
    found: defaultdict[str, list[SkillSummary]] = defaultdict(list)
    for skill in skills:
        for name in _names(skill.marketplace, skill.plugin, skill.name):
            found[name].append(skill)
    return dict(found)


def _names(marketplace: str, plugin: str, skill: str) -> tuple[str, str, str]:
    return skill, f"{plugin}/{skill}", f"{marketplace}/{plugin}/{skill}"


def _gone(principal: Principal, missing: Sequence[Installed]) -> tuple[set[str], dict[str, SkillSummary]]:
    """Of names that nothing served has: give those that were served once, and what some of them are called now."""
    asked = {one.name for one in missing}
    skills = Skill.objects.for_organization(principal.organization).open_to(principal)
    skills = skills.filter(name__in={name.rpartition("/")[2] for name in asked})
    by_name: defaultdict[str, list[Skill]] = defaultdict(list)
    for row in skills.select_related("plugin", "marketplace__current_snapshot").order_by("pk"):
        for name in _names(row.marketplace.slug, row.plugin.name, row.name):
            if name in asked:
                by_name[name].append(row)
    # Where several had the name, nobody knows whose heir to name.
    only = {name: rows[0] for name, rows in by_name.items() if len(rows) == 1}
    now = _called_now(principal, list({row.pk: row for row in only.values()}.values()))
    return set(by_name), {name: now[row.pk] for name, row in only.items() if row.pk in now}


def _called_now(principal: Principal, gone: Sequence[Skill]) -> dict[int, SkillSummary]:
    """Find what skills are called now: as the repository's `renames` say of their plugins, else by the same files."""
    if not gone:
        return {}
    releases = dict(
        SkillListing.objects.for_organization(principal.organization)
        .filter(skill__in=gone)
        .order_by("skill_id", "first_number")
        .values_list("skill_id", "release_id")  # the newest of each comes last, and stays
    )
    heirs = Q(release__in=releases.values())
    for row in gone:
        heirs |= Q(marketplace=row.marketplace_id, skill__plugin__name=_plugin_now(row), skill__name=row.name)
    found = [(row.marketplace_id, SkillSummary.of(row)) for row in readable(principal).filter(heirs)]
    now: dict[int, SkillSummary] = {}
    for row in gone:
        there = [skill for marketplace_id, skill in found if marketplace_id == row.marketplace_id]
        by_plugin = [one for one in there if (one.plugin, one.name) == (_plugin_now(row), row.name)]
        by_files = [one for one in there if one.release_id == releases.get(row.pk)]
        for heir in (by_plugin or by_files)[:1]:
            now[row.pk] = heir
    return now


def _plugin_now(row: Skill) -> str:
    snapshot = row.marketplace.current_snapshot
    return str(snapshot.renames.get(row.plugin.name, "")) if snapshot else ""
