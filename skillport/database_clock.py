"""The one clock that every process shares: what is compared across processes is told by it."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """Give the database's time. Two web processes may differ by seconds; their sessions must not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]
