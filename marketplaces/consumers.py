"""Websockets: watch an organization's syncs."""

import asyncio
from collections.abc import Callable
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from marketplaces.progress import group_name
from skillport.database_threads import in_database_thread
from skillport.errors import SkillportError
from skillport.principal import Principal

RECHECK_SECONDS = 1.0
UNAUTHENTICATED = 4401


class SyncProgress(AsyncJsonWebsocketConsumer):
    """Sends each message of an organization's syncs to one watcher, for as long as the watcher's credential lives.

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

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 Channels' signature
        if self._group is not None:
            self._watch.cancel()
            await self.channel_layer.group_discard(self._group, self.channel_name)

    async def receive(self, *_: Any, **__: Any) -> None:
        """Ignore what a watcher sends: there is nothing to say here."""

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
        return True

    async def _principal(self) -> Principal:
        return await in_database_thread(lambda: self._authenticate(self.scope))
