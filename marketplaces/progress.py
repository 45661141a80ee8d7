"""Live progress of syncs. The row is written first; a message only says that there is something to see."""

import logging
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)


def group_name(organization_id: UUID) -> str:
    """Give the group in which an organization's syncs are told; only its own members join it."""
    return f"organization.{organization_id}.sync"


def publish(organization_id: UUID, message: dict[str, Any]) -> None:
    """Tell everybody who is watching. A message that is lost costs nothing: the next one, or the row, says more."""
    try:
        send = async_to_sync(get_channel_layer().group_send)
        send(group_name(organization_id), {"type": "sync.progress", "message": message})
    except Exception:  # noqa: BLE001 whatever the channel layer does, the sync goes on
        logger.warning("Progress could not be sent", exc_info=True)
