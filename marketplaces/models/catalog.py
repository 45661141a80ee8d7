"""Plugins and skills as lasting things, and what each snapshot lists of them."""

from typing import ClassVar, Self, TypeVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from marketplaces.models.access_rule import Subject
from marketplaces.models.content import Release
from marketplaces.models.marketplace import Marketplace
from skillport.principal import Principal
from skillport.scoping import OrganizationOwned, ScopedQuerySet
from skillport.walls import SameOrganization


class Plugin(OrganizationOwned):
    """A plugin of a marketplace, across all its snapshots. Rules and usage point here."""

    marketplace = models.ForeignKey(Marketplace, models.CASCADE, related_name="plugins", db_constraint=False)
    marketplace_id: UUID
    name = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="plugin_organization_key"),
            models.UniqueConstraint(fields=["organization", "marketplace", "id"], name="plugin_key"),
            models.UniqueConstraint(fields=["marketplace", "name"], name="plugin_name"),
            SameOrganization(field="marketplace", name="plugin_marketplace"),
        ]

    def __str__(self) -> str:
        return self.name


def _subjects_of(principal: Principal) -> ArraySubquery:
    """Give the ids of everything through which rules may be about `principal` now, by the database's clock."""
    mine = Subject.objects.for_organization(principal.organization).live().covering(principal)
    return ArraySubquery(mine.values("pk"))


class SkillQuerySet(ScopedQuerySet["Skill"]):
    """Skills, whether they are served now or were once."""

    def open_to(self, principal: Principal) -> Self:
        """Keep what the access rules let `principal` read."""
        ids = _subjects_of(principal)
        return self.filter(allowed__overlap=ids).exclude(denied__overlap=ids)


SkillManager = models.Manager.from_queryset(SkillQuerySet)


class Skill(OrganizationOwned):
    """A skill, across all snapshots: (organization, marketplace, plugin, name).

    `allowed` and `denied` hold subject ids compiled from the access rules (`services/access.py`). A skill nobody has
    compiled yet is readable by nobody.
    """

    marketplace = models.ForeignKey(Marketplace, models.CASCADE, related_name="skills", db_constraint=False)
    marketplace_id: UUID
    plugin = models.ForeignKey(Plugin, models.CASCADE, related_name="skills", db_constraint=False)
    plugin_id: int
    name = models.CharField(max_length=100)
    allowed = ArrayField(models.IntegerField(), default=list)
    denied = ArrayField(models.IntegerField(), default=list)

    objects: "ClassVar[SkillManager[Skill]]" = SkillManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="skill_organization_key"),
            models.UniqueConstraint(fields=["organization", "marketplace", "id"], name="skill_key"),
            models.UniqueConstraint(fields=["plugin", "name"], name="skill_name"),
            SameOrganization(field="marketplace", name="skill_marketplace"),
            SameOrganization(
                field="plugin", through=[("marketplace_id", "marketplace_id")], name="skill_plugin"
            ),
        ]
        # Pages of the catalog walk this index; the arrays are tested row by row (no GIN: performance notes, ADR 4).
        indexes = [models.Index(fields=["organization", "name", "id"], name="skill_in_order")]

    def __str__(self) -> str:
        return self.name


L = TypeVar("L", bound="Listing", covariant=True)


class ListingQuerySet(ScopedQuerySet[L]):
    """Listings, narrowed to the snapshots that are served now."""

    def current(self) -> Self:
        """Keep what the current snapshot of each marketplace lists."""
        number = F("marketplace__current_snapshot__number")
        # Plus nothing, so that no index can be walked by the number alone: PostgreSQL 18 would do so for each skill, through
        # the history of all of them.
        begun = self.alias(begins=F("first_number") + 0).filter(begins__lte=number)
        listed = begun.filter(Q(end_number=None) | Q(end_number__gt=number))
        return listed.filter(marketplace__closing_at=None)


class Listing(OrganizationOwned):
    """What consecutive snapshots say of one plugin or skill: from `first_number` until before `end_number`.

    A change writes one row and closes one, so an import costs what changed and not what is there (ADR 3).
    """

    marketplace = models.ForeignKey(Marketplace, models.CASCADE, related_name="+", db_constraint=False)
    marketplace_id: UUID
    release = models.ForeignKey(Release, models.RESTRICT, related_name="+", db_constraint=False)
    release_id: int
    version = models.CharField(max_length=100)  # as served: names its content
    author_version = models.CharField(max_length=60, blank=True)  # as the author wrote it
    description = models.TextField(blank=True)
    about = models.JSONField(default=dict)  # author, category, tags, keywords; a skill's whole frontmatter
    first_number = models.PositiveIntegerField()
    end_number = models.PositiveIntegerField(null=True)

    class Meta:
        abstract = True


class PluginListingQuerySet(ListingQuerySet["PluginListing"]):
    """Plugins are not read by themselves yet, only beside their skills."""


PluginListingManager = models.Manager.from_queryset(PluginListingQuerySet)


class PluginListing(Listing):
    """A plugin as consecutive snapshots list it. `refused_files` > 0: not whole, so no door may serve it natively."""

    plugin = models.ForeignKey(Plugin, models.CASCADE, related_name="listings", db_constraint=False)
    plugin_id: int
    root = models.CharField(
        max_length=400, blank=True
    )  # the plugin's folder in the repository; '' is all of it
    refused_files = models.PositiveIntegerField(default=0)
    # What its plan followed from, and what came of it beside this listing (ADR 14); null: it is planned anew each time.
    fingerprint = models.BinaryField(max_length=32, null=True)
    outcome = models.JSONField(null=True)

    objects: "ClassVar[PluginListingManager[PluginListing]]" = PluginListingManager()

    class Meta:
        constraints = [
            SameOrganization(
                field="plugin", through=[("marketplace_id", "marketplace_id")], name="plugin_listing_plugin"
            ),
            SameOrganization(field="marketplace", name="plugin_listing_marketplace"),
            SameOrganization(field="release", name="plugin_listing_release"),
            models.UniqueConstraint(
                fields=["plugin"], condition=Q(end_number=None), name="plugin_listing_one_open"
            ),
            models.CheckConstraint(
                condition=Q(end_number=None) | Q(end_number__gt=F("first_number")),
                name="plugin_listing_range",
            ),
        ]
        indexes = [models.Index(fields=["release"], name="plugin_listing_by_release")]

    def __str__(self) -> str:
        return f"{self.plugin_id} {self.version}"


class SkillListingQuerySet(ListingQuerySet["SkillListing"]):
    """The way to skills for every door."""

    def readable_by(self, principal: Principal) -> Self:
        """Keep what is served now and what the access rules let `principal` read, by the database's clock."""
        ids = _subjects_of(principal)
        return self.current().filter(skill__allowed__overlap=ids).exclude(skill__denied__overlap=ids)


SkillListingManager = models.Manager.from_queryset(SkillListingQuerySet)


class SkillListing(Listing):
    """A skill as consecutive snapshots list it."""

    skill = models.ForeignKey(Skill, models.CASCADE, related_name="listings", db_constraint=False)
    skill_id: int
    # Path of the skill's folder inside its plugin, '' when the plugin itself is the skill.
    folder = models.CharField(max_length=400, blank=True)

    objects: "ClassVar[SkillListingManager[SkillListing]]" = SkillListingManager()

    class Meta:
        constraints = [
            SameOrganization(
                field="skill", through=[("marketplace_id", "marketplace_id")], name="skill_listing_skill"
            ),
            SameOrganization(field="marketplace", name="skill_listing_marketplace"),
            SameOrganization(field="release", name="skill_listing_release"),
            models.UniqueConstraint(
                fields=["skill"], condition=Q(end_number=None), name="skill_listing_one_open"
            ),
            models.CheckConstraint(
                condition=Q(end_number=None) | Q(end_number__gt=F("first_number")), name="skill_listing_range"
            ),
        ]
        indexes = [
            models.Index(fields=["skill", "-first_number"], name="skill_listing_newest"),
            models.Index(fields=["release"], name="skill_listing_by_release"),
        ]

    def __str__(self) -> str:
        return f"{self.skill_id} {self.version}"


class VersionEntry(OrganizationOwned):
    """The permanent ledger: an author's version belongs to the content that was first served under it.

    Outlives the content itself, so that a version never comes to mean something else. `skill` is '' for the plugin.
    """

    marketplace = models.ForeignKey(Marketplace, models.CASCADE, related_name="+", db_constraint=False)
    plugin = models.CharField(max_length=128)
    skill = models.CharField(max_length=100, blank=True)
    author_version = models.CharField(max_length=60)
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["marketplace", "plugin", "skill", "author_version"], name="version_entry_first"
            ),
            SameOrganization(field="marketplace", name="version_entry_marketplace"),
        ]

    def __str__(self) -> str:
        return f"{self.plugin}/{self.skill} {self.author_version}"
