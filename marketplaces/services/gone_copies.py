"""The copies of repositories that were deleted, or whose organization was: each worker has some of its own, on its own disk."""

import shutil
from pathlib import Path
from uuid import UUID

from marketplaces.models import ExternalSource, Marketplace, MirrorState
from marketplaces.services.worker import Worker
from skillport.organizations.models import Organization
from skillport.scoping import across_organizations, within


def forget_gone_copies(worker: Worker) -> None:
    """Delete this worker's copies of what no organization has any more."""
    copies = worker.folder / "copies"
    # Listed before anybody is asked: a folder that is there now belongs to rows that were there before.
    here = {path.name: _names_in(path) for path in _folders_in(copies)}
    if not here:
        return
    live = Organization.objects.filter(closed_at=None, pk__in=[name for name in here if _is_id(name)])
    organizations = {str(pk) for pk in live.values_list("pk", flat=True)}
    bound = _bound({name for names in here.values() for name in names})
    for organization, marketplaces in here.items():
        if organization not in organizations:
            shutil.rmtree(copies / organization, ignore_errors=True)
            continue
        for marketplace in marketplaces:
            if (organization, marketplace) not in bound:
                shutil.rmtree(copies / organization / marketplace, ignore_errors=True)


def _bound(names: set[str]) -> set[tuple[str, str]]:
    """Give (organization, marketplace) for those of the names that are marketplaces."""
    with across_organizations(reason="a worker's disk holds copies of every organization's repositories"):
        rows = Marketplace.objects.all_organizations().filter(pk__in=[name for name in names if _is_id(name)])
        return {(str(one), str(other)) for one, other in rows.values_list("organization_id", "pk")}


def _folders_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in _folders_in(folder)}


def forget_left_mirrors(worker: Worker) -> None:
    """Delete the copies that killed jobs of this worker left behind: nobody mirrors these sources at present."""
    mirrors = worker.folder / "mirrors"
    for place in list(mirrors.iterdir()) if mirrors.is_dir() else []:
        left = {path.name for path in place.iterdir()}
        if _is_id(place.name):
            organization_id = UUID(place.name)
            with within(organization_id):
                running = ExternalSource.objects.for_organization(organization_id).filter(
                    state=MirrorState.RUNNING
                )
                left -= {str(pk) for pk in running.values_list("pk", flat=True)}
        for name in left:
            shutil.rmtree(place / name, ignore_errors=True)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
