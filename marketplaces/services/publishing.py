"""Put a snapshot in place: one transaction, after which every reader sees the new commit whole.

Under locks on the marketplace and on the organization's policy, so that neither an older worker nor a rule that is
just being changed can publish stale, wider rights (ADR 3).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db.models.functions import Now

from marketplaces.git.commit import CommitInfo
from marketplaces.manifest.plan import Catalog, PlannedPlugin, PlannedSkill
from marketplaces.manifest.versions import served_version
from marketplaces.models import (
    Marketplace,
    Plugin,
    PluginListing,
    RunState,
    Skill,
    SkillListing,
    Snapshot,
    SyncRun,
    VersionEntry,
)
from marketplaces.services import access, bulk, changes
from marketplaces.services.external.known import Known
from marketplaces.services.external.settling import settle
from marketplaces.services.leases import Lease, LeaseLost
from marketplaces.services.remembering import noted, require_plans
from marketplaces.services.serving import serve
from marketplaces.services.storing import Stored, digest_of, ensure_releases
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.principal import SystemActor
from skillport.scoping import within

_ROWS: Final = 1000

PluginKey = str
SkillKey = tuple[str, str]  # plugin, skill
LedgerKey = tuple[str, str, str]  # plugin, skill or '', author's version


@dataclass(frozen=True, slots=True)
class Changes:
    """How many plugins and skills this snapshot lists differently from the one before."""

    plugins: int
    skills: int
    snapshot: bool  # False: the served one, read again with more external plugins at hand, says the same


def publish(
    lease: Lease,
    *,
    commit: str,
    info: CommitInfo,
    catalog: Catalog,
    stored: Stored,
    folder: str = "",
    known: Sequence[Known] = (),
    known_digest: bytes = b"",
) -> Changes:
    """Write the snapshot and begin to serve it. Raises `LeaseLost` or `PlansForgotten` and then leaves everything as it was.

    `known` is what the catalog was planned with of external sources; they are used from now on, and no others.
    """
    with within(lease.organization_id):
        access.lock_policy(lease.organization_id)
        marketplace = _locked_marketplace(lease)
        unchanged = require_plans(marketplace, catalog.unchanged)
        digests = _Digests(catalog, stored)
        releases = ensure_releases(lease.organization_id, digests.files, stored)
        plugins = _ensure_plugins(marketplace, catalog)
        skills = _ensure_skills(marketplace, catalog, plugins)
        first = _first_digests(marketplace, catalog, digests)
        number = marketplace.last_snapshot_number + 1
        settle(marketplace, known, known_digest)
        concerned = set(plugins.values()) - unchanged
        changed_plugins = _relist(
            PluginListing, "plugin_id", marketplace, number, concerned,
            [_plugin_listing(plugin, plugins, releases, digests, first) for plugin in catalog.plugins],
        )  # fmt: skip
        changed_skills = _relist(
            SkillListing, "skill_id", marketplace, number, concerned,
            [
                _skill_listing(plugin, skill, skills, releases, digests, first)
                for plugin in catalog.plugins for skill in plugin.skills
            ],
        )  # fmt: skip
        served = marketplace.current_snapshot
        # Changes are counted from the newest snapshot, which is not the served one after going back.
        newest = (commit, folder, marketplace.last_snapshot_number)
        is_newest = served is not None and (served.commit, served.folder, served.number) == newest
        if served is not None and is_newest and not changed_plugins + changed_skills:
            _end_run(lease, RunState.UNCHANGED, served, None)
            return Changes(0, 0, snapshot=False)
        snapshot = _write_snapshot(marketplace, number, commit, folder, info, catalog)
        access.compile_readers(lease.organization_id)
        since = _served_number(marketplace)
        serve(marketplace, snapshot)
        Marketplace.objects.for_organization(lease.organization_id).filter(pk=marketplace.pk).update(
            last_snapshot_number=number
        )
        changed = changes.between(
            lease.organization_id, marketplace.pk, since, number, renames=catalog.renames
        )
        _end_run(lease, RunState.SUCCEEDED, snapshot, changes.summary(changed, since=since))
        audit.record(
            Action.SNAPSHOT_PUBLISHED, actor=SystemActor(organization_id=lease.organization_id, what="sync"),
            target=marketplace, commit=commit, number=number, plugins=changed_plugins, skills=changed_skills,
        )  # fmt: skip
        return Changes(changed_plugins, changed_skills, snapshot=True)


class _Digests:
    """The release digest of each plugin and skill, and the files behind each digest."""

    def __init__(self, catalog: Catalog, stored: Stored) -> None:
        self.plugin: dict[PluginKey, bytes] = {}
        self.skill: dict[SkillKey, bytes] = {}
        self.files: dict[bytes, Any] = {}
        # Plugins that share a root share the tuple of its files, which may be long.
        self._of_tuple: dict[int, bytes] = {}
        for plugin in catalog.plugins:
            self.plugin[plugin.name] = self._keep(plugin, stored)
            for skill in plugin.skills:
                self.skill[plugin.name, skill.name] = self._keep(skill, stored)

    def _keep(self, planned: PlannedPlugin | PlannedSkill, stored: Stored) -> bytes:
        known = self._of_tuple.get(id(planned.files))
        digest = known or digest_of(planned.files, stored)
        self._of_tuple[id(planned.files)] = digest
        self.files.setdefault(digest, planned.files)
        return digest


def _locked_marketplace(lease: Lease) -> Marketplace:
    own = Marketplace.objects.for_organization(lease.organization_id).select_for_update()
    marketplace = own.filter(pk=lease.marketplace_id, fence=lease.fence).first()
    if marketplace is None:
        raise LeaseLost
    return marketplace


def _served_number(marketplace: Marketplace) -> int:
    """Give the number of what members have had until now, 0 for nothing; after a roll-back it is not the last."""
    if marketplace.current_snapshot_id is None:
        return 0
    own = Snapshot.objects.for_organization(marketplace.organization_id)
    return own.values_list("number", flat=True).get(pk=marketplace.current_snapshot_id)


def _ensure_plugins(marketplace: Marketplace, catalog: Catalog) -> dict[PluginKey, int]:
    own = Plugin.objects.for_organization(marketplace.organization_id).filter(marketplace=marketplace)
    ids = dict(own.values_list("name", "id"))
    made = Plugin.objects.bulk_create(
        Plugin(organization_id=marketplace.organization_id, marketplace=marketplace, name=plugin.name)
        for plugin in catalog.plugins
        if plugin.name not in ids
    )
    return {**ids, **{plugin.name: plugin.pk for plugin in made}}


def _ensure_skills(
    marketplace: Marketplace, catalog: Catalog, plugins: Mapping[PluginKey, int]
) -> dict[SkillKey, int]:
    """Give every skill's id; a new one is readable by nobody until the rules are compiled, further down."""
    own = Skill.objects.for_organization(marketplace.organization_id).filter(
        marketplace=marketplace, plugin__in=[plugins[plugin.name] for plugin in catalog.plugins]
    )
    ids = {(plugin, skill): pk for plugin, skill, pk in own.values_list("plugin__name", "name", "id")}
    new = [(p.name, s.name) for p in catalog.plugins for s in p.skills if (p.name, s.name) not in ids]
    names = {pk: name for name, pk in plugins.items()}
    for batch in bulk.batches(new, _ROWS):
        made = bulk.execute(
            """
            INSERT INTO marketplaces_skill (organization_id, marketplace_id, plugin_id, name, allowed, denied)
            SELECT %s, %s, *, '{}', '{}' FROM unnest(%b::bigint[], %b::text[]) RETURNING plugin_id, name, id
            """,
            [
                marketplace.organization_id,
                marketplace.pk,
                [plugins[plugin] for plugin, _ in batch],
                [skill for _, skill in batch],
            ],
        )
        ids.update({(names[plugin], skill): pk for plugin, skill, pk in made})
    return ids


def _first_digests(marketplace: Marketplace, catalog: Catalog, digests: _Digests) -> dict[LedgerKey, bytes]:
    """Enter new author's versions into the ledger, and give the content that each version belongs to."""
    seen: dict[LedgerKey, bytes] = {}
    for plugin in catalog.plugins:
        seen[plugin.name, "", plugin.author_version] = digests.plugin[plugin.name]
        for skill in plugin.skills:
            seen[plugin.name, skill.name, skill.author_version] = digests.skill[plugin.name, skill.name]
    own = VersionEntry.objects.for_organization(marketplace.organization_id).filter(
        marketplace=marketplace, plugin__in=list(digests.plugin)
    )
    known = {
        (plugin, skill, version): bytes(digest)
        for plugin, skill, version, digest in own.values_list("plugin", "skill", "author_version", "digest")
    }
    new = [key for key in seen if key[2] and key not in known]
    for batch in bulk.batches(new, _ROWS):
        bulk.execute(
            """
            INSERT INTO marketplaces_versionentry (organization_id, marketplace_id, plugin, skill, author_version, digest)
            SELECT %s, %s, * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bytea[])
            """,
            [
                marketplace.organization_id,
                marketplace.pk,
                [plugin for plugin, _, _ in batch],
                [skill for _, skill, _ in batch],
                [version for _, _, version in batch],
                [seen[key] for key in batch],
            ],
        )
    return {**seen, **known}


def _plugin_listing(
    plugin: PlannedPlugin,
    plugins: Mapping[PluginKey, int],
    releases: Mapping[bytes, int],
    digests: _Digests,
    first: Mapping[LedgerKey, bytes],
) -> PluginListing:
    digest = digests.plugin[plugin.name]
    return PluginListing(
        plugin_id=plugins[plugin.name],
        release_id=releases[digest],
        author_version=plugin.author_version,
        version=served_version(
            author_version=plugin.author_version,
            digest=digest,
            first_digest=first[plugin.name, "", plugin.author_version],
        ),
        description=plugin.description,
        about=plugin.about,
        root=plugin.root,
        refused_files=plugin.refused_files,
        **noted(plugin.outcome),
    )


def _skill_listing(
    plugin: PlannedPlugin,
    skill: PlannedSkill,
    skills: Mapping[SkillKey, int],
    releases: Mapping[bytes, int],
    digests: _Digests,
    first: Mapping[LedgerKey, bytes],
) -> SkillListing:
    digest = digests.skill[plugin.name, skill.name]
    return SkillListing(
        skill_id=skills[plugin.name, skill.name],
        release_id=releases[digest],
        author_version=skill.author_version,
        version=served_version(
            author_version=skill.author_version,
            digest=digest,
            first_digest=first[plugin.name, skill.name, skill.author_version],
        ),
        description=skill.description,
        about={**plugin.about, "frontmatter": skill.frontmatter},
        folder=skill.folder,
    )


L = TypeVar("L", PluginListing, SkillListing)
_SAID = ("release_id", "version", "author_version", "description", "about")
_PLUGIN_OF = {PluginListing: "plugin__in", SkillListing: "skill__plugin__in"}
_REMEMBERED_OF = {PluginListing: ("fingerprint", "outcome"), SkillListing: ()}
_SAID_OF = {PluginListing: (*_SAID, "root", "refused_files"), SkillListing: (*_SAID, "folder")}


def _relist(
    model: type[L],
    key: str,
    marketplace: Marketplace,
    number: int,
    plugins: Collection[int],
    wanted: Iterable[L],
) -> int:
    """Close those of the plugins' listings that no longer say the truth and open new ones from `number` on.

    Gives how many changed. One that says the same stays, and remembers the newest plan.
    """
    objects = model.objects.for_organization(marketplace.organization_id)
    concerned = objects.filter(marketplace=marketplace, end_number=None, **{_PLUGIN_OF[model]: plugins})
    still_open: dict[int, L] = {getattr(listing, key): listing for listing in concerned}
    new: list[L] = []
    same: list[L] = []
    for listing in wanted:
        before = still_open.get(getattr(listing, key))
        if before is not None and all(
            getattr(before, name) == getattr(listing, name) for name in _SAID_OF[model]
        ):
            del still_open[getattr(listing, key)]
            if any(getattr(before, name) != getattr(listing, name) for name in _REMEMBERED_OF[model]):
                listing.pk = before.pk
                same.append(listing)
            continue
        listing.organization_id = marketplace.organization_id
        listing.marketplace = marketplace
        listing.first_number = number
        new.append(listing)
    ended = [listing.pk for listing in still_open.values()]
    objects.filter(pk__in=ended).update(end_number=number)
    model.objects.bulk_create(new)
    if _REMEMBERED_OF[model]:
        objects.bulk_update(same, _REMEMBERED_OF[model])
    return len({getattr(listing, key) for listing in [*new, *still_open.values()]})


def _write_snapshot(
    marketplace: Marketplace, number: int, commit: str, folder: str, info: CommitInfo, catalog: Catalog
) -> Snapshot:
    skills = SkillListing.objects.for_organization(marketplace.organization_id).filter(
        marketplace=marketplace, end_number=None
    )
    return Snapshot.objects.create(
        organization_id=marketplace.organization_id,
        marketplace=marketplace,
        number=number,
        commit=commit,
        folder=folder,
        author=info.author,
        subject=info.subject,
        committed_at=info.committed_at,
        name=catalog.name,
        description=catalog.description,
        derived=catalog.derived,
        plugin_count=len(catalog.plugins) + len(catalog.unchanged),
        skill_count=skills.count(),
        renames=catalog.renames,
    )


def _end_run(lease: Lease, state: RunState, snapshot: Snapshot, changed: dict[str, Any] | None) -> None:
    ended = SyncRun.objects.for_organization(lease.organization_id).filter(
        pk=lease.sync_run_id, fence=lease.fence
    )
    if not ended.update(
        state=state,
        ended_at=Now(),
        leased_until=None,
        snapshot=snapshot,
        commit=snapshot.commit,
        changes=changed,
    ):
        raise LeaseLost
