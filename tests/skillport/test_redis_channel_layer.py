"""Waiting for a message over Redis ends as soon as it is told to, whatever it is just doing."""

import asyncio

import pytest
from django.conf import settings

from skillport.redis_channel_layer import CancellableRedisChannelLayer

# Enough turns of the loop for a wait that has connected, sent its first command and heard the answer.
MOST_TURNS = 60

pytestmark = pytest.mark.skipif(not settings.REDIS_URL, reason="needs REDIS_URL")


def test_it_ends_when_it_is_cancelled_at_any_turn_of_the_loop() -> None:
    """Seen red, on Python 3.11, with the layer of channels_redis itself."""
    stuck = asyncio.run(_turns_at_which_a_cancellation_is_lost())
    assert stuck == []


async def _turns_at_which_a_cancellation_is_lost() -> list[int]:
    layer = CancellableRedisChannelLayer(hosts=[{"address": settings.REDIS_URL, "socket_timeout": 15}])
    stuck = []
    for turns in range(MOST_TURNS):
        receiving = asyncio.ensure_future(layer.receive(await layer.new_channel()))
        for _ in range(turns):
            await asyncio.sleep(0)
        receiving.cancel()
        done, _ = await asyncio.wait(
            [receiving], timeout=10
        )  # less than the socket's: that ends one that is stuck
        if not done:
            stuck.append(turns)
            receiving.cancel()
            await asyncio.wait([receiving])
    await layer.close_pools()
    return stuck
