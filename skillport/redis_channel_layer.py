"""Live messages between processes: the Redis layer of channels_redis, made to end when it is told to."""

import asyncio
from typing import Any

from channels_redis.core import RedisChannelLayer

_AGAIN_AFTER_SECONDS = 0.1


class CancellableRedisChannelLayer(RedisChannelLayer):  # type: ignore[misc] # channels_redis has no types
    """Before Python 3.12, `asyncio.wait_for` loses a cancellation that comes just as it is done.

    redis-py writes through it (redis.asyncio.connection, 8.1). A watcher that left at that moment kept its `receive`
    waiting for ever, and a server that was to stop waited for it. Here a cancellation is said again until it is heard.
    """

    async def receive(self, channel: str) -> dict[str, Any]:
        receiving = asyncio.ensure_future(super().receive(channel))
        try:
            message: dict[str, Any] = await asyncio.shield(receiving)
        except asyncio.CancelledError:
            # In a task of its own: who cancels once more is not to end this.
            await asyncio.shield(asyncio.ensure_future(_ended(receiving)))
            raise
        return message


async def _ended(task: "asyncio.Task[Any]") -> None:
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_AFTER_SECONDS)
    if not task.cancelled():
        task.exception()  # has been seen; what it received nobody waits for
