"""The cast: Alice owns Acme, Bob is its member, Charlie owns Globex and must never see Acme.

The owner role creates, migrates and empties the test database; every test runs as the application role.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from skillport.owner import as_owner
from tests.cast import Cast, make_cast


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """Run the tests' own PostgreSQL, unless DATABASE_URL named another."""
    embedded = settings.EMBEDDED_POSTGRES
    if embedded is None:
        yield
        return
    try:
        embedded.start()
        embedded.allow_owner_to_make_databases()
        yield
    finally:
        embedded.stop()


@pytest.fixture(scope="session")
def django_db_setup(
    postgres: None, django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None
) -> Iterator[None]:
    with django_db_blocker.unblock():
        with as_owner():
            databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
        connection.ops.execute_sql_flush = _flush_as_owner  # type: ignore[method-assign]
        yield
        with as_owner():
            teardown_databases(databases, verbosity=0)


def owner_connection() -> psycopg.Connection:
    """Connect to the test database as the role that owns its tables."""
    url = settings.DATABASE_OWNER_URL.get_secret_value()
    return psycopg.connect(url, dbname=connection.settings_dict["NAME"])


def _flush_as_owner(statements: list[str]) -> None:
    """Empty the tables: the application role has no TRUNCATE, and is not to get it for the tests' sake."""
    with owner_connection() as owner:
        for statement in statements:
            owner.execute(statement)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()
