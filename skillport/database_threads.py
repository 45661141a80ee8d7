"""The one way from asynchronous code to the database."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from django.db import close_old_connections

T = TypeVar("T")


async def in_database_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread that may use the ORM, and give its result.

    Not `sync_to_async`: its default puts every call of the process on one thread, and its other mode leaves
    connections behind. Here there are never more threads than connections, and each call ends its own.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads(), context.run, _clean, call)


def _clean(call: Callable[[], T]) -> T:
    close_old_connections()  # the server may have been restarted since this thread's last call
    try:
        return call()
    finally:
        close_old_connections()


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=share_of_connections(), thread_name_prefix="database")


def share_of_connections() -> int:
    """Give how many connections asynchronous doors may hold at once; Django's own requests have as many."""
    return max(1, settings.DATABASE_CONNECTIONS // 2)
