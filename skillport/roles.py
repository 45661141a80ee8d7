"""The three database roles: what they are, the SQL that makes them, and the refusal to run as the wrong one.

owner    migrates and owns the tables. Row-level security binds it too (FORCE), so it inherits `across`.
app      what runs. Owns nothing; becomes `across` only by asking, for one transaction (`scoping.py`).
across   sees every organization's rows. Nobody signs in as it.
"""

from typing import Final

from django.conf import settings
from django.db import connection
from psycopg import sql

from skillport.errors import SkillportError

# How long the application may hold up others. Kept with the role, because a pooler such as PgBouncer takes no settings
# from a client that connects, and gives one client's session to the next.
_LIMITS: Final = {
    "statement_timeout": "5s",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": "60s",
}


class WrongDatabaseRole(SkillportError):
    """DATABASE_URL names a role that row-level security would not hold."""

    code = "wrong_database_role"
    status = 500


def creation_sql(*, owner: str, app: str, across: str) -> str:
    """Give the SQL with which a database administrator makes the three roles. May be run again."""

    def create(role: str, options: str) -> str:
        name, text = sql.Identifier(role).as_string(None), sql.Literal(role).as_string(None)
        return (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) THEN\n"
            f"    CREATE ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB {options};\nEND IF; END $$;\n"
        )

    names = [sql.Identifier(role).as_string(None) for role in (across, owner, app)]
    return (
        create(across, "NOLOGIN")
        + create(owner, "LOGIN INHERIT")
        + create(app, "LOGIN NOINHERIT")
        + f"GRANT {names[0]} TO {names[1]}, {names[2]};\n"
        + "".join(f"ALTER ROLE {names[2]} SET {name} = '{limit}';\n" for name, limit in _LIMITS.items())
    )


def database_sql(*, owner: str, database: str) -> str:
    """Give the SQL that makes the database; `CREATE DATABASE` cannot run inside a block."""
    name = sql.Identifier(database).as_string(None)
    return f"CREATE DATABASE {name} OWNER {sql.Identifier(owner).as_string(None)} ENCODING 'UTF8' TEMPLATE template0;"


def verify_application_role() -> None:
    """Refuse to serve or work with a database role that the walls between organizations would not hold.

    Raises `WrongDatabaseRole` with the reason and the SQL that makes the right roles.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT current_user, rolsuper, rolbypassrls,
                   EXISTS (SELECT FROM pg_class
                           WHERE relnamespace = 'public'::regnamespace AND pg_has_role(relowner, 'MEMBER')),
                   EXISTS (SELECT FROM pg_roles WHERE (rolsuper OR rolbypassrls) AND rolname <> current_user
                           AND pg_has_role(oid, 'MEMBER')),
                   EXISTS (SELECT FROM pg_roles WHERE rolname = %(across)s AND pg_has_role(oid, 'USAGE')),
                   EXISTS (SELECT FROM pg_roles WHERE rolname = %(across)s AND pg_has_role(oid, 'MEMBER'))
            FROM pg_roles WHERE rolname = current_user
            """,
            {"across": settings.DATABASE_ACROSS_ROLE},
        )
        name, is_superuser, bypasses, owns_tables, may_rise, inherits, may_cross = cursor.fetchone()
    faults = {
        "is a superuser": is_superuser,
        "has BYPASSRLS": bypasses,
        "owns tables or may act as a role that does": owns_tables,
        "may act as a superuser or as a role with BYPASSRLS": may_rise,
        f"inherits the rights of {settings.DATABASE_ACROSS_ROLE}": inherits,
        f"is not a member of {settings.DATABASE_ACROSS_ROLE}": not may_cross,
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    if found:
        wanted = creation_sql(
            owner="skillport_owner", app="skillport_app", across=settings.DATABASE_ACROSS_ROLE
        )
        raise WrongDatabaseRole(
            f"Skillport does not start as the database role {name}: it {' and '.join(found)}, so PostgreSQL would "
            "not keep organizations apart. Let an administrator run the SQL below once, give each role a password, "
            f"and put skillport_app into DATABASE_URL and skillport_owner into DATABASE_OWNER_URL.\n\n{wanted}"
        )
