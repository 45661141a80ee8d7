"""Live progress of syncs. The row is written first; a message only says that there is something to see."""

import asyncio
from typing import Any, Final
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer

from marketplaces.models import Phase
from skillport.courier import Courier

_SEND_SECONDS: Final = 2
_courier: Final = Courier("progress")  # a dead or frozen Redis holds up no sync


def group_name(organization_id: UUID) -> str:
    """Give the group in which an organization's syncs are told; only its own members join it."""
    return f"organization.{organization_id}.sync"


def frame(
    *,
    sync_run: int,
    marketplace: str,
    phase: str,
    done: int,
    total: int,
    findings: int,
    requests: int,
    received_bytes: int,
) -> dict[str, Any]:
    """Give what is told of a run that is open: the same from its row as while it goes on.

    `phase` is '' while it waits; `done` and `total` are files of that phase. A run that has ended is told by its
    `state` instead.
    """
    return {
        "sync_run": sync_run, "marketplace": marketplace, "phase": phase,
        "phase_label": Phase(phase).label if phase else "waiting for a worker", "done": done, "total": total,
        "findings": findings, "requests": requests, "received_bytes": received_bytes,
    }  # fmt: skip


def publish(organization_id: UUID, message: dict[str, Any]) -> None:
    """Tell everybody who is watching. A message that is lost costs nothing: the next one, or the row, says more."""
    _courier.send(lambda: async_to_sync(_send)(group_name(organization_id), message))


async def _send(group: str, message: dict[str, Any]) -> None:
    async with asyncio.timeout(_SEND_SECONDS):
        await _layer().group_send(group, {"type": "sync.progress", "message": message})


def _layer() -> BaseChannelLayer:
    layer = get_channel_layer()
    assert layer is not None  # noqa: S101 settings always name one
    return layer
