"""What a principal may see of the catalog. Every door reads skills through here."""

from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from django.db.models import Q

from marketplaces.models import ReleaseFile, SkillListing
from marketplaces.models.catalog import SkillListingQuerySet
from skillport.errors import NotFound, SkillportError
from skillport.principal import Principal
from skillport.scoping import within

PAGE: Final = 50
LONGEST_PAGE: Final = 200


class SkillNotFound(NotFound):
    code = "skill_not_found"
    message = (
        "There is no skill of that name that you may use. List the skills to see their names, or ask an "
        "administrator of your organization."
    )


class AmbiguousName(SkillportError):
    code = "ambiguous_name"
    status = 409

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Several skills have that name. Use one of: {', '.join(names)}.")


class BadCursor(SkillportError):
    code = "bad_cursor"
    status = 400
    message = "This cursor was not given by Skillport. Begin again without one."


@dataclass(frozen=True, slots=True)
class SkillSummary:
    """One skill as a list shows it. `digest` names its exact content."""

    skill_id: int
    release_id: int
    marketplace: str
    plugin: str
    name: str
    version: str
    description: str
    digest: str
    about: dict[str, Any]

    @classmethod
    def of(cls, listing: SkillListing) -> Self:
        return cls(
            skill_id=listing.skill_id,
            release_id=listing.release_id,
            marketplace=listing.marketplace.slug,
            plugin=listing.skill.plugin.name,
            name=listing.skill.name,
            version=listing.version,
            description=listing.description,
            digest=f"sha256:{bytes(listing.release.digest).hex()}",
            about=listing.about,
        )

    @property
    def full_name(self) -> str:
        """Give the name that is never ambiguous."""
        return f"{self.marketplace}/{self.plugin}/{self.name}"


@dataclass(frozen=True, slots=True)
class SkillFile:
    """One file of a skill: its path below the skill's folder, and where its bytes are."""

    path: str
    executable: bool
    size_bytes: int
    digest: bytes
    blob_id: int


@dataclass(frozen=True, slots=True)
class Page:
    """Skills in the order of their names, and the cursor of the next page; None on the last one."""

    skills: list[SkillSummary]
    next_cursor: str | None


def list_skills(
    *, principal: Principal, query: str = "", marketplace: str = "", cursor: str = "", limit: int = PAGE
) -> Page:
    """Give one page of the skills that `principal` may use, in the order of their names.

    `query` finds words in name and description, whatever their case; every word must occur. Raises `BadCursor`.
    """
    limit = min(max(limit, 1), LONGEST_PAGE)
    with within(principal.organization):
        listings = readable(principal).order_by("skill__name", "skill_id")
        for word in query.split()[:10]:
            listings = listings.filter(Q(skill__name__icontains=word) | Q(description__icontains=word))
        if marketplace:
            listings = listings.filter(marketplace__slug=marketplace)
        if cursor:
            name, skill_id = _read_cursor(cursor)
            listings = listings.filter(Q(skill__name=name, skill_id__gt=skill_id) | Q(skill__name__gt=name))
        found = [SkillSummary.of(listing) for listing in listings[: limit + 1]]
    shown = found[:limit]
    return Page(shown, _cursor(shown[-1]) if len(found) > limit else None)


def find_skill(*, principal: Principal, name: str) -> SkillSummary:
    """Give the skill that `name` means: `skill`, `plugin/skill` or `marketplace/plugin/skill`.

    Raises `SkillNotFound`, also for a skill that the principal may not read, and `AmbiguousName` with the names of
    those that it may.
    """
    with within(principal.organization):
        return find_inside(principal, name)


def find_inside(principal: Principal, name: str) -> SkillSummary:
    """Do what `find_skill` does, inside the caller's own `within`."""
    *around, skill = name.split("/")
    listings = readable(principal).filter(skill__name=skill)
    if around:
        listings = listings.filter(skill__plugin__name=around[-1])
    if len(around) == 2:
        listings = listings.filter(marketplace__slug=around[0])
    found = (
        [SkillSummary.of(listing) for listing in listings.order_by("skill_id")[:20]]
        if len(around) <= 2
        else []
    )
    if not found:
        raise SkillNotFound
    if len(found) > 1:
        raise AmbiguousName([summary.full_name for summary in found])
    return found[0]


def may_read(principal: Principal, skill_id: int) -> bool:
    """Tell, inside the caller's own `within`, whether the skill is served now and the rules let `principal` read it."""
    return readable(principal).filter(skill_id=skill_id).exists()


def files_of(organization_id: UUID, release_id: int) -> list[SkillFile]:
    """Give a release's files in the order of their paths, without their bytes. Inside the caller's own `within`."""
    files = ReleaseFile.objects.for_organization(organization_id).filter(release_id=release_id)
    rows = files.order_by("path").values_list(
        "path", "executable", "blob__size_bytes", "blob__digest", "blob_id"
    )
    return [
        SkillFile(path, executable, size, bytes(digest), blob)
        for path, executable, size, digest, blob in rows
    ]


def readable(principal: Principal) -> SkillListingQuerySet:
    """Give what `principal` may read, with what a summary needs. Inside the caller's own `within`."""
    listings = SkillListing.objects.for_organization(principal.organization).readable_by(principal)
    return listings.select_related("marketplace", "skill__plugin", "release")


def _cursor(last: SkillSummary) -> str:
    return f"{last.skill_id}.{last.name}"


def _read_cursor(cursor: str) -> tuple[str, int]:
    number, separator, name = cursor.partition(".")
    if not separator or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise BadCursor
    return name, int(number)
