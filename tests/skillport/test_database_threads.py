"""The one way from asynchronous code to the database: results, exceptions, threads and connections."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction

from skillport.database_threads import in_database_thread, share_of_connections
from skillport.owner import as_owner

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
    assert asyncio.run(in_database_thread(lambda: people.create(email="new@example.org"))).email == "new@example.org"
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
        together.wait(timeout=10)
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
    assert len(set(pids)) <= share_of_connections()
    connection.close()  # this thread's own
    stats = pool().get_stats()
    assert stats["pool_available"] == stats["pool_size"]


def test_a_call_that_fails_gives_its_connection_back_too() -> None:
    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    assert all(isinstance(error, Exception) for error in all_at_once([fail] * settings.DATABASE_CONNECTIONS * 3))
    connection.close()
    stats = pool().get_stats()
    assert stats["pool_available"] == stats["pool_size"]
    assert isinstance(asyncio.run(in_database_thread(backend)), int)


def test_a_call_through_another_thread_pool_would_keep_its_connection() -> None:
    """The twin: a thread that nobody cleans up after holds on to what it took."""
    held = threading.Event()
    thread = threading.Thread(target=lambda: (backend(), held.set()))
    before = None
    try:
        connection.close()
        backend()
        connection.close()
        before = pool().get_stats()["pool_available"]
        thread.start()
        assert held.wait(timeout=10)
        thread.join()
        assert pool().get_stats()["pool_available"] == before - 1
    finally:
        connection.close_pool()


def pool() -> Any:
    return connection.pool


def end_all_sessions() -> int:
    """End every session of the application, as a restart of PostgreSQL does. Gives how many there were."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with as_owner():
        pass
    return 0


def test_after_a_restart_of_postgresql_each_thread_fails_at_most_once() -> None:
    share = share_of_connections()
    together = threading.Barrier(share)

    def call() -> int:
        together.wait(timeout=10)
        return backend()

    before = all_at_once([call] * share)
    assert len(set(before)) == share
    assert end_all_sessions() >= share
    failed: Counter[int] = Counter()

    def call_and_count() -> None:
        together.wait(timeout=10)
        try:
            backend()
        except OperationalError:
            failed[threading.get_ident()] += 1

    for _ in range(10):
        all_at_once([call_and_count] * share)
    assert max(failed.values(), default=0) <= 1
    after = all_at_once([backend] * share * 10)
    assert all(isinstance(pid, int) for pid in after)
    assert not set(after) & set(before)
