"""What is known of a marketplace's external plugins: which hosts it may use, and how far each mirror is."""

import hashlib
import json
from dataclasses import astuple, dataclass
from typing import Final
from uuid import UUID

from marketplaces.manifest.external import External, MirrorState, host_of
from marketplaces.models import ExternalCredential, ExternalSource, ExternalUse, Marketplace

MOST_SOURCES: Final = 500
# In the place of a digest: the served snapshot is one that an administrator went back to, whatever is known by now.
CHOSEN: Final = b"chosen".ljust(32)
_UNCOVERED: Final = frozenset({MirrorState.WAITING, MirrorState.FAILED})


@dataclass(frozen=True, slots=True)
class Known:
    """One external plugin, whose credential is read with, and what there is of it."""

    plugin: str
    external: External
    credential_id: UUID | None
    state: MirrorState
    commit: str


def hosts_of(marketplace: Marketplace) -> list[str]:
    """Give the hosts that external sources may be on: its own one, unless an administrator has listed others."""
    listed: list[str] | None = marketplace.external_hosts
    return [host_of(marketplace.url)] if listed is None else listed


def covers(source: ExternalSource, folder: str) -> bool:
    """Tell whether what is mirrored holds `folder`, '' for all of the repository."""
    return bool(source.commit) and any(
        wider in {"", folder} or folder.startswith(f"{wider}/") for wider in source.folders
    )


def state_of(source: ExternalSource | None, folder: str) -> MirrorState:
    """Tell what there is of a folder. An error stays known while it is tried again."""
    if source is None:
        return MirrorState.WAITING
    if covers(source, folder):
        return MirrorState.STALE if source.error_code and not source.sha else MirrorState.READY
    return MirrorState.FAILED if source.error_code else MirrorState.WAITING


def known_of(
    plugin: str, external: External, source: ExternalSource | None, credential_id: UUID | None
) -> Known:
    state = state_of(source, external.folder)
    commit = source.commit if source and state not in _UNCOVERED else ""
    return Known(plugin, external, credential_id, state, commit)


def credentials_of(marketplace: Marketplace) -> dict[str, UUID]:
    """Give the ids of the credentials that the marketplace has for external hosts, by host."""
    rows = ExternalCredential.objects.for_organization(marketplace.organization_id)
    return dict(rows.filter(marketplace=marketplace).values_list("host", "id"))


def digest_of(hosts: list[str], credentials: dict[str, UUID], known: list[Known]) -> bytes:
    """Give what changes exactly when a reading of the same commit might find something else."""
    bound = sorted((host, str(pk)) for host, pk in credentials.items())
    rows = sorted([str(part) for part in astuple(one)] for one in known)
    return hashlib.sha256(json.dumps([hosts, bound, rows]).encode()).digest()


def digest_now(marketplace: Marketplace) -> bytes:
    """Give the digest of what is known at present of the plugins of the marketplace's newest reading."""
    uses = ExternalUse.objects.for_organization(marketplace.organization_id).filter(marketplace=marketplace)
    known = [
        known_of(
            use.plugin,
            External(use.source.url, use.source.ref, use.source.sha, use.folder),
            use.source,
            use.source.credential_id,
        )
        for use in uses.select_related("source")
    ]
    return digest_of(hosts_of(marketplace), credentials_of(marketplace), known)


def is_up_to_date(marketplace: Marketplace) -> bool:
    """Tell whether the served snapshot says of external plugins what is known of them, or is as a person chose it."""
    planned_with = bytes(marketplace.external_outcome)
    if marketplace.pinned_commit and planned_with == CHOSEN:
        return True
    return planned_with == digest_now(marketplace)
