"""Write down, in the transaction that publishes, which external sources a marketplace uses from now on."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from marketplaces.models import ExternalSource, ExternalUse, Marketplace, MirrorState
from marketplaces.services.external.known import Known, covers

Key = tuple[str, str, str, UUID | None]  # url, ref, sha, credential


def settle(marketplace: Marketplace, known: Iterable[Known], digest: bytes) -> None:
    """Keep the sources of `known` and no others; new ones, and those that lack a folder, wait for a worker."""
    wanted = {one.plugin: one for one in known}
    sources = _ensure_sources(marketplace.organization_id, wanted.values())
    own = ExternalUse.objects.for_organization(marketplace.organization_id)
    before = {use.plugin: use for use in own.filter(marketplace=marketplace)}
    after = {
        plugin: ExternalUse(
            organization_id=marketplace.organization_id, marketplace=marketplace, plugin=plugin,
            source=sources[_key(one)], folder=one.external.folder,
        )
        for plugin, one in wanted.items()
    }  # fmt: skip
    gone = [use for plugin, use in before.items() if _said(use) != _said(after.get(plugin))]
    own.filter(pk__in=[use.pk for use in gone]).delete()
    ExternalUse.objects.bulk_create(
        use for plugin, use in after.items() if _said(use) != _said(before.get(plugin))
    )
    forget_unused(marketplace.organization_id, {use.source_id for use in gone})
    Marketplace.objects.for_organization(marketplace.organization_id).filter(pk=marketplace.pk).update(
        external_outcome=digest
    )


def forget_unused(organization_id: UUID, source_ids: Iterable[int]) -> None:
    """Note of those among the sources that nothing uses any more since when that is so."""
    uses = ExternalUse.objects.for_organization(organization_id).filter(source=OuterRef("pk"))
    sources = ExternalSource.objects.for_organization(organization_id).filter(pk__in=list(source_ids))
    sources.filter(~Exists(uses), unused_since=None).update(unused_since=Now())


def _ensure_sources(organization_id: UUID, known: Iterable[Known]) -> dict[Key, ExternalSource]:
    wanted = {_key(one): one for one in known}
    rows = ExternalSource.objects.for_organization(organization_id)
    # Locked, so that none is deleted as unused at the same moment; in one order, as workers do.
    found = rows.filter(url__in={url for url, _, _, _ in wanted}).order_by("pk").select_for_update()
    sources = {(one.url, one.ref, one.sha, one.credential_id): one for one in found}
    made = ExternalSource.objects.bulk_create(
        ExternalSource(
            organization_id=organization_id, url=url, ref=ref, sha=sha, credential_id=credential_id,
            host=wanted[url, ref, sha, credential_id].external.host,
        )
        for url, ref, sha, credential_id in wanted.keys() - sources.keys()
    )  # fmt: skip
    sources |= {(one.url, one.ref, one.sha, one.credential_id): one for one in made}
    used = [sources[key].pk for key in wanted]
    rows.filter(pk__in=used).exclude(unused_since=None).update(unused_since=None)
    lacking = [
        sources[_key(one)].pk
        for one in known
        if sources[_key(one)].commit and not covers(sources[_key(one)], one.external.folder)
    ]
    rows.filter(pk__in=lacking, state=MirrorState.MIRRORED).update(state=MirrorState.WAITING)
    return sources


def _key(known: Known) -> Key:
    return known.external.url, known.external.ref, known.external.sha, known.credential_id


def _said(use: ExternalUse | None) -> tuple[int, str] | None:
    return (use.source_id, use.folder) if use else None
