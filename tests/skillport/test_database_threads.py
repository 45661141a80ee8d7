"""The one way from asynchronous code to the database: results, exceptions, threads and connections."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DataError, OperationalError, connection, transaction
from psycopg_pool import PoolTimeout

from skillport.database_threads import in_database_thread, share_of_connections
from tests.addresses import application_url

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
marker: ContextVar[str] = ContextVar("marker", default="unset")


def all_at_once(calls: Iterable[Callable[[], T]]) -> list[T | BaseException]:
    """Give what each call gave or raised, in their order."""

    async def gather() -> list[T | BaseException]:
        return await asyncio.gather(*map(in_database_thread, calls), return_exceptions=True)

    return asyncio.run(gather())


def backend() -> int:
    """Give the process id of this thread's session in PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def test_a_calls_result_comes_back_and_what_it_wrote_stays() -> None:
    people = get_user_model().objects
    assert (
        asyncio.run(in_database_thread(lambda: people.create(email="new@example.org"))).email
        == "new@example.org"
    )
    assert people.filter(email="new@example.org").exists()
    assert all_at_once([lambda: 1, lambda: 2]) == [1, 2]


def test_a_calls_exception_comes_back_with_its_traceback() -> None:
    def fail() -> None:
        with transaction.atomic():
            get_user_model().objects.create(email="lost@example.org")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as raised:
        asyncio.run(in_database_thread(fail))
    assert raised.traceback[-1].name == "fail"
    assert not get_user_model().objects.filter(email="lost@example.org").exists()


def test_context_variables_travel_in_and_changes_of_them_do_not_leak() -> None:
    def read_and_change() -> str:
        before = marker.get()
        marker.set("changed in the thread")
        return before

    async def ask(value: str) -> str:
        marker.set(value)
        seen = await in_database_thread(read_and_change)
        assert marker.get() == value
        return seen

    async def ask_many() -> list[str]:
        return await asyncio.gather(*(ask(str(number)) for number in range(50)))

    assert asyncio.run(ask_many()) == [str(number) for number in range(50)]
    assert marker.get() == "unset"


def test_as_many_calls_run_at_once_as_this_side_has_connections_and_never_more() -> None:
    share = share_of_connections()
    assert share == settings.DATABASE_CONNECTIONS // 2
    together = threading.Barrier(share)  # breaks, and fails the test, unless so many are there at once
    inside = Counter[str]()
    most = 0
    lock = threading.Lock()

    def call() -> int:
        nonlocal most
        with lock:
            inside["now"] += 1
            most = max(most, inside["now"])
        together.wait(timeout=60)
        with lock:
            inside["now"] -= 1
        return threading.get_ident()

    threads = all_at_once([call] * share * 6)
    assert most == share
    assert len(set(threads)) <= share
    assert threading.get_ident() not in threads


def test_connections_are_given_back_after_each_call() -> None:
    calls = settings.DATABASE_CONNECTIONS * 10
    pids = all_at_once([backend] * calls)
    assert all(isinstance(pid, int) for pid in pids)
    assert free_connections(settings.DATABASE_CONNECTIONS) == settings.DATABASE_CONNECTIONS


def test_a_call_that_fails_gives_its_connection_back_too() -> None:
    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    assert all(
        isinstance(error, DataError) for error in all_at_once([fail] * settings.DATABASE_CONNECTIONS * 3)
    )
    assert free_connections(settings.DATABASE_CONNECTIONS) == settings.DATABASE_CONNECTIONS


def test_a_thread_that_nobody_cleans_up_after_would_keep_its_connection() -> None:
    """The twin."""
    took, may_end = threading.Event(), threading.Event()

    def careless() -> None:
        backend()
        took.set()
        may_end.wait(timeout=60)
        connection.close()

    thread = threading.Thread(target=careless)
    thread.start()
    assert took.wait(timeout=60)
    free = free_connections(settings.DATABASE_CONNECTIONS - 1)
    may_end.set()
    thread.join()
    assert free == settings.DATABASE_CONNECTIONS - 1


def free_connections(wanted: int) -> int:
    """Count how many connections the pool still has to give, by taking them all for a moment; `wanted` is waited for."""
    backend()  # a pool is opened by its first use
    connection.close()
    taken: list[Any] = []
    with contextlib.suppress(PoolTimeout):
        while True:
            # Patience for those that must come: the pool may have to open them. Little for the one too many.
            taken.append(pool().getconn(timeout=0.5 if len(taken) >= wanted else 60))
    for one in taken:
        pool().putconn(one)
    return len(taken)


def pool() -> Any:
    wrapper: Any = connection
    return wrapper.pool


def new_pool() -> None:
    wrapper: Any = connection
    wrapper.close()
    wrapper.close_pool()


def end_all_sessions() -> int:
    """End every session of the application, as a restart of PostgreSQL does. Gives how many there were."""
    with psycopg.connect(application_url(connection.settings_dict)) as same_role:
        ended = same_role.execute(  # false for one that is leaving anyway
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    return len(ended)


def sessions_at_once(number: int) -> None:
    """Let the pool have `number` connections, as after a busy minute."""
    together = threading.Barrier(number)

    def call() -> None:
        together.wait(timeout=60)
        backend()
        together.wait(timeout=60)  # nobody gives a connection back before everybody has one
        connection.close()

    with ThreadPoolExecutor(number) as threads:
        list(threads.map(lambda _: call(), range(number)))


def failures_by_thread(calls: int, meeting: threading.Barrier | None = None) -> Counter[int]:
    failed: Counter[int] = Counter()

    def call() -> None:
        if meeting:
            meeting.wait(timeout=60)
        try:
            backend()
        except OperationalError:
            failed[threading.get_ident()] += 1

    all_at_once([call] * calls)
    return failed


def test_after_a_restart_of_postgresql_each_thread_fails_at_most_once() -> None:
    share = share_of_connections()
    new_pool()
    sessions_at_once(share)
    assert end_all_sessions() >= share
    failed = failures_by_thread(share * 10, threading.Barrier(share))
    assert max(failed.values(), default=0) <= 1
    assert not failures_by_thread(share * 10)


def test_after_a_restart_with_a_full_pool_each_thread_fails_at_most_once_too() -> None:
    new_pool()
    sessions_at_once(settings.DATABASE_CONNECTIONS)
    assert end_all_sessions() >= settings.DATABASE_CONNECTIONS
    failed = failures_by_thread(settings.DATABASE_CONNECTIONS * 10)
    assert max(failed.values(), default=0) <= 1
    assert not failures_by_thread(settings.DATABASE_CONNECTIONS * 10)
