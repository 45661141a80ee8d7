"""Connect as the owner role: for migrations and for the tests' own database, and for nothing that serves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

# Not the database's name: the tests' own database has another one.
_PARTS = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


@contextmanager
def as_owner() -> Iterator[None]:
    """Let the default connection be the owner's until the block ends. Not for use beside running requests.

    The alias stays `default`, so that a data migration cannot by accident run as the application role.
    """
    if settings.DATABASE_OWNER_URL is None:
        raise ImproperlyConfigured(
            "Set DATABASE_OWNER_URL to the role that owns the tables. `docs/operators/database.md` has the three roles."
        )
    owner = conninfo_to_dict(settings.DATABASE_OWNER_URL.get_secret_value())
    wanted = {key: owner.get(part, "") for key, part in _PARTS.items()}
    before = {key: connection.settings_dict[key] for key in (*_PARTS, "OPTIONS")}
    _reconnect({**wanted, "OPTIONS": {"options": "-c lock_timeout=4s"}})
    try:
        yield
    finally:
        _reconnect(before)


def _reconnect(changed: Mapping[str, object]) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined] # PostgreSQL has pools
    connection.settings_dict.update(changed)
