"""Database roles that live for one test, and a way to be one of them."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections
from psycopg import sql

from skillport.embedded.postgres import ADMIN


def owner_url() -> str:
    assert settings.DATABASE_OWNER_URL is not None, "the tests need it to make their database"
    return settings.DATABASE_OWNER_URL.get_secret_value()


def admin_url() -> str:
    """Give the address of a superuser; skips the test where there is none."""
    if settings.EMBEDDED_POSTGRES is not None:
        url: str = settings.EMBEDDED_POSTGRES.url(ADMIN, "postgres")
        return url
    url = owner_url()
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row != (True,):
        pytest.skip(
            "makes database roles: needs the embedded PostgreSQL, or a superuser in DATABASE_OWNER_URL"
        )
    return url


class ThrowawayRoles:
    """Makes roles with random names in the tests' own cluster, and drops them with all they own."""

    def __init__(self, admin: psycopg.Connection[Any]) -> None:
        self.admin = admin
        self.password = secrets.token_hex(8)
        self.names: list[str] = []

    def name(self) -> str:
        """Give a new name; whoever bears it is dropped in the end."""
        self.names.append(f"throwaway_{secrets.token_hex(6)}")
        return self.names[-1]

    def make(self, options: str, *memberships: str) -> str:
        """Make a role that may sign in, with these options and as a member of these roles."""
        name = self.name()
        self.run(f"CREATE ROLE {{}} LOGIN {options}", name)
        self.let_sign_in(name)
        for group in memberships:
            self.run("GRANT {} TO {}", group, name)
        return name

    def let_sign_in(self, name: str) -> None:
        self.admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(self.password))
        )

    def run(self, statement: str, *roles: str) -> None:
        self.admin.execute(sql.SQL(statement).format(*map(sql.Identifier, roles)))

    def drop(self) -> None:
        for name in self.names:
            if self.admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).rowcount:
                self.run("DROP OWNED BY {}", name)
                self.run("DROP ROLE {}", name)

    @contextlib.contextmanager
    def acting(self, name: str) -> Iterator[None]:
        """Let Django's default connection of this thread be this role's until the block ends."""
        mine = connections["default"]
        theirs = connections.create_connection("default")
        options = {
            name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"
        }
        theirs.settings_dict = {
            **connection.settings_dict, "USER": name, "PASSWORD": self.password, "OPTIONS": options,
        }  # fmt: skip
        connections["default"] = theirs
        try:
            yield
        finally:
            connections["default"] = mine
            theirs.close()


@contextlib.contextmanager
def throwaway_roles() -> Iterator[ThrowawayRoles]:
    """Give a maker of roles that is connected to the test database as a superuser."""
    with psycopg.connect(admin_url(), dbname=connection.settings_dict["NAME"], autocommit=True) as admin:
        roles = ThrowawayRoles(admin)
        try:
            yield roles
        finally:
            roles.drop()
