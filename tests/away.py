"""Take the database away from the running server, and give it back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from tests.addresses import application_url


@contextmanager
def database_away() -> Iterator[None]:
    """Let PostgreSQL refuse every connection to the test database, and end those that there are, for one block."""
    let_in = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = sql.Identifier(connection.settings_dict["NAME"])
    connection.close()
    # From another database: PostgreSQL does not close the one that somebody is in.
    assert settings.DATABASE_OWNER_URL is not None
    owner_url = settings.DATABASE_OWNER_URL.get_secret_value()
    with (
        psycopg.connect(owner_url, dbname="postgres", autocommit=True) as owner,
        psycopg.connect(application_url(connection.settings_dict)) as application,
    ):
        owner.execute(let_in.format(name, sql.SQL("false")))
        try:
            application.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            yield
        finally:
            owner.execute(let_in.format(name, sql.SQL("true")))
