"""What the newest snapshot's plugins were planned from, kept with their listings (ADR 14).

Open listings are those of the newest snapshot. While it is there, collection leaves them alone, and what was planned is
what they say. After going back to an older one it may be collected, and then nothing is remembered.
"""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from django.db.models import Exists

from marketplaces.manifest.remembered import Outcome, Recall, nothing_remembered
from marketplaces.manifest.report import Finding, Severity
from marketplaces.models import Marketplace, PluginListing, Snapshot
from skillport.scoping import within


class PlansForgotten(Exception):
    """What a catalog was planned from is gone: it has to be planned without."""


def plans_of(marketplace: Marketplace) -> Recall:
    """Give what the plugins of the newest snapshot came to."""
    with within(marketplace.organization_id):
        rows = _open_listings(marketplace).exclude(fingerprint=None)
        known = {
            (plugin, bytes(fingerprint)): outcome
            for plugin, fingerprint, outcome in rows.values_list("plugin__name", "fingerprint", "outcome")
        }

    def recall(plugin: str, fingerprint: bytes) -> Outcome | None:
        outcome = known.get((plugin, fingerprint))
        return None if outcome is None else _outcome(fingerprint, outcome)

    return recall if known else nothing_remembered


def require_plans(marketplace: Marketplace, unchanged: Mapping[str, bytes]) -> set[int]:
    """Give the ids of the plugins that are listed as planned, or raise `PlansForgotten`. Under the policy lock."""
    if not unchanged:
        return set()
    rows = _open_listings(marketplace).filter(plugin__name__in=list(unchanged))
    listed = {
        plugin: (pk, fingerprint and bytes(fingerprint))
        for plugin, pk, fingerprint in rows.values_list("plugin__name", "plugin_id", "fingerprint")
    }
    if {plugin: fingerprint for plugin, (_, fingerprint) in listed.items()} != unchanged:
        raise PlansForgotten
    return {pk for pk, _ in listed.values()}


def noted(outcome: Outcome | None) -> dict[str, Any]:
    """Give the two columns of a listing that remember its plan."""
    if outcome is None:
        return {"fingerprint": None, "outcome": None}
    told = {
        "skill_folders": outcome.skill_folders,
        "linked_files": outcome.linked_files,
        # A path may hold any byte but NUL, and a JSON text none that is not UTF-8.
        "unlisted": [path.decode("latin-1") for path in outcome.unlisted],
        "findings": [list(astuple(finding)) for finding in outcome.findings],
    }
    return {"fingerprint": outcome.fingerprint, "outcome": told}


def _outcome(fingerprint: bytes, told: dict[str, Any]) -> Outcome:
    return Outcome(
        fingerprint=fingerprint,
        skill_folders=told["skill_folders"],
        linked_files=told["linked_files"],
        unlisted=tuple(path.encode("latin-1") for path in told["unlisted"]),
        findings=tuple(
            Finding(code, Severity(severity), path, reason, remedy)
            for code, severity, path, reason, remedy in told["findings"]
        ),
    )


def _open_listings(marketplace: Marketplace):  # type: ignore[no-untyped-def] # as `leases._held`
    own = Marketplace.objects.for_organization(marketplace.organization_id)
    newest = Snapshot.objects.for_organization(marketplace.organization_id).filter(
        marketplace=marketplace, number__in=own.filter(pk=marketplace.pk).values("last_snapshot_number")
    )
    listings = PluginListing.objects.for_organization(marketplace.organization_id)
    return listings.filter(Exists(newest), marketplace=marketplace, end_number=None)
