"""Make, or remove, a database and its three roles on the PostgreSQL at 127.0.0.1:5432, with names of this run's own.

python .ci/services.py make   prints the environment for the tests, one NAME=value a line
python .ci/services.py remove NAME
"""

import os
import secrets
import sys

import psycopg
from psycopg import sql

from skillport.roles import creation_sql, database_sql

ADMIN = os.environ.get("SKILLPORT_CI_ADMIN_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def make() -> None:
    name = f"skillport_{secrets.token_hex(4)}"
    owner, app, across = f"{name}_owner", f"{name}_app", f"{name}_across"
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        admin.execute(creation_sql(owner=owner, app=app, across=across))
        admin.execute(
            sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(owner))
        )  # for the test database
        # What is dropped at the end need not outlive a power cut, nor wait for a busy disk.
        for role in (owner, app):
            admin.execute(sql.SQL("ALTER ROLE {} SET synchronous_commit = off").format(sql.Identifier(role)))
        admin.execute(database_sql(owner=owner, database=name))
    host = ADMIN.partition("@")[2].partition("/")[0]
    print(f"DATABASE_URL=postgresql://{app}@{host}/{name}")
    print(f"DATABASE_OWNER_URL=postgresql://{owner}@{host}/{name}")
    print(f"DATABASE_ACROSS_ROLE={across}")
    print(f"SKILLPORT_CI_NAME={name}")


def remove(name: str) -> None:
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        left = admin.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"%{name}%"]
        ).fetchall()
        for (database,) in left:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
        for role in (f"{name}_app", f"{name}_owner", f"{name}_across"):
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


if __name__ == "__main__":
    make() if sys.argv[1] == "make" else remove(sys.argv[2])
