"""Live progress of syncs. The row is written first; a message only says that there is something to see."""

import logging
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)


def group_name(organization_id: UUID) -> str:
    """Give the group in which an organization's syncs are told; only its own members join it."""
    return f"organization.{organization_id}.sync"


def publish(organization_id: UUID, message: dict[str, Any]) -> None:
    """Tell everybody who is watching. A message that is lost costs nothing: the next one, or the row, says more."""
    try:
        async_to_sync(_layer().group_send)(
            group_name(organization_id), {"type": "sync.progress", "message": message}
        )
    except Exception:
        logger.warning("Progress could not be sent", exc_info=True)


def _layer() -> BaseChannelLayer:
    layer = get_channel_layer()
    assert layer is not None  # noqa: S101 settings always name one
    return layer
