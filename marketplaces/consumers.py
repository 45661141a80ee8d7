"""Websockets: watch an organization's syncs."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from marketplaces.progress import group_name
from marketplaces.services.watching import present_state
from skillport.database_threads import in_database_thread
from skillport.errors import SkillportError
from skillport.principal import Principal

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 1.0
UNAUTHENTICATED = 4401
TRY_AGAIN_LATER = 1013


class SyncProgress(AsyncJsonWebsocketConsumer):
    """Sends each message of an organization's syncs to one watcher, for as long as the watcher's credential lives.

    It begins with where each open run stands, so that whoever comes later, or again, sees the same.

    The credential is looked up again before every frame and once a second. `authenticate` is given by the wiring:
    which credentials there are is not this package's business.
    """

    def __init__(self, *, authenticate: Callable[[Any], Principal]) -> None:
        super().__init__()
        self._authenticate = authenticate
        self._group: str | None = None

    async def connect(self) -> None:
        try:
            principal = await self._principal()
        except SkillportError:
            await self.close(code=UNAUTHENTICATED)
            return
        self._group = group_name(principal.organization_id)
        await self.channel_layer.group_add(self._group, self.channel_name)
        await self.accept()
        self._watch = asyncio.create_task(self._recheck())
        await self._tell_present_state(principal)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 Channels' signature
        if self._group is not None:
            self._watch.cancel()
            await self.channel_layer.group_discard(self._group, self.channel_name)

    async def receive(self, *_: Any, **__: Any) -> None:
        """Ignore what a watcher sends: there is nothing to say here."""

    async def _tell_present_state(self, principal: Principal) -> None:
        """Tell it after the group was joined: what happens in between comes twice rather than not at all."""
        try:
            frames = await in_database_thread(lambda: present_state(principal))
        except Exception:
            logger.exception("A watcher could not be told where the syncs stand")
            await self.close(code=TRY_AGAIN_LATER)
            return
        with contextlib.suppress(OSError):  # the watcher has gone already
            for frame in frames:
                await self.send_json(frame)

    async def sync_progress(self, event: dict[str, Any]) -> None:
        if await self._still_there():
            await self.send_json(event["message"])

    async def _recheck(self) -> None:
        while await self._still_there():
            await asyncio.sleep(RECHECK_SECONDS)

    async def _still_there(self) -> bool:
        try:
            await self._principal()
        except SkillportError:
            await self.close(code=UNAUTHENTICATED)
            return False
        except Exception:
            # SECURITY: whoever cannot be looked up may be somebody whose key was revoked.
            logger.exception("A watcher could not be looked up")
            await self.close(code=TRY_AGAIN_LATER)
            return False
        return True

    async def _principal(self) -> Principal:
        return await in_database_thread(lambda: self._authenticate(self.scope))
