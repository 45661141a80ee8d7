"""Pages of the settings about a marketplace's snapshots: which there are, and what changed between two of them."""

from typing import Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from marketplaces.services import bound, comparing, snapshots
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import show_settings
from skillport.permissions import Permission
from skillport.principal import Principal

_AT: Final = "marketplaces/"
_LARGEST: Final = 2**31 - 1  # of a number in the database


@member_page
@needs(Permission.MARKETPLACES_MANAGE)
@require_safe
def kept(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """List the snapshots, a page at a time; `before` is the number to go on from."""
    before = request.GET.get("before", "")
    after = min(int(before), _LARGEST) if before.isascii() and before.isdigit() and len(before) < 20 else None
    found = snapshots.list_snapshots(principal=principal, marketplace_id=marketplace_id, before=after)
    repository = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    return show_settings(
        request, principal, "marketplaces/snapshots.html", at=_AT, heading="Snapshots", repository=repository,
        snapshots=found, more=found[-1].number if found and found[-1].before is not None else None,
    )  # fmt: skip


@member_page
@needs(Permission.MARKETPLACES_MANAGE)
@require_safe
def changes(
    request: HttpRequest, principal: Principal, marketplace_id: UUID, older: int, newer: int
) -> HttpResponse:
    """Show what changed; `plugin` in the query narrows it to one."""
    plugin = request.GET.get("plugin", "")[:200]
    found = comparing.compare_snapshots(
        principal=principal, marketplace_id=marketplace_id, older=older, newer=newer, plugin=plugin
    )
    repository = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    return show_settings(
        request, principal, "marketplaces/changes.html", at=_AT, heading=f"From snapshot {older} to {newer}",
        repository=repository, found=found, plugin=plugin,
    )  # fmt: skip
