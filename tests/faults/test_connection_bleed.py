"""No connection carries one organization's rows to the next thread that borrows it (T-ISO-4, its small form)."""

from itertools import count
from typing import TYPE_CHECKING

import pytest

from skillport import scoping
from tests.faults.connection_bleed import make_organizations, watch

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

READS = 5_000


def test_no_thread_reads_what_another_was_allowed_to(transactional_db: None) -> None:
    seen = watch(make_organizations(), reads=READS)
    assert seen.foreign == []
    assert seen.unexpected == []
    assert seen.reads >= READS
    assert min(seen.counted["rolled back"], seen.counted["killed"], seen.counted["connections lost"]) > 0


def test_a_setting_of_the_session_is_found_out(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with the organization and the role set for the session instead of the transaction, it turns red."""

    def exchange(connection: "BaseDatabaseWrapper", role: str, setting: str) -> tuple[str, str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('role'), coalesce(current_setting('skillport.organization', true), ''),"
                " set_config('role', %s, false), set_config('skillport.organization', %s, false)",
                [role, setting],
            )
            row = cursor.fetchone()
        return row[0], row[1]

    organizations = make_organizations()
    monkeypatch.setattr(scoping, "_exchange", exchange)
    seen = watch(organizations, reads=READS)
    assert seen.foreign != []
    assert seen.reads < READS


def test_a_block_that_trusts_what_was_set_before_is_found_out(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other twin: a block that does not set its own organization, once in a while."""
    organizations = make_organizations()
    first, exchange, others = str(organizations[0]), scoping._exchange, count()

    def sometimes(connection: "BaseDatabaseWrapper", role: str, setting: str) -> tuple[str, str]:
        # Of the blocks in which it shows, for certain, each twentieth: there are hundreds of them in so many reads.
        wrong = setting not in {"", first} and next(others) % 20 == 19
        return exchange(connection, role, first if wrong else setting)

    monkeypatch.setattr(scoping, "_exchange", sometimes)
    assert watch(organizations, reads=READS).foreign != []
