"""What a watcher of an organization's syncs is told first: where each open run stands, from its row."""

from typing import Any

from marketplaces import progress
from marketplaces.models import RunState, SyncRun
from skillport.principal import Principal
from skillport.scoping import within


def present_state(principal: Principal) -> list[dict[str, Any]]:
    """Give a frame for each run that waits or goes on, and last one that names them all.

    That last one tells whoever waits for a run that is not among them that it has ended meanwhile.
    """
    with within(principal.organization):
        open_runs = SyncRun.objects.for_organization(principal.organization).filter(ended_at=None)
        frames = [_frame(row) for row in open_runs.order_by("id")]
    return [*frames, {"open": [frame["sync_run"] for frame in frames]}]


def _frame(row: SyncRun) -> dict[str, Any]:
    return progress.frame(
        sync_run=row.pk,
        marketplace=str(row.marketplace_id),
        phase=row.phase if row.state == RunState.RUNNING else "",
        done=row.done,
        total=row.total,
        findings=row.found,
        requests=row.requests,
        received_bytes=row.received_bytes,
    )
