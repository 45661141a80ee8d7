"""Statements over many rows, with their values beside them in PostgreSQL's own binary form.

Django's cursor writes values into the statement's text instead, where bytes are twice as long: of an import's whole CPU
time that was a quarter. COPY is no way, PostgreSQL refuses it into a table behind row-level security; so rows go in by
`INSERT … SELECT FROM unnest(…)`, a column as one array.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from django.db import connection

T = TypeVar("T")


def execute(statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    """Run a statement inside the caller's transaction, and give the rows that it returns.

    `%s` stands for a parameter; an array says its type behind it (`%b::bigint[]`) and is not empty.
    """
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters, binary=True)
        return cursor.fetchall() if cursor.description else []


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Give `items` in pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
