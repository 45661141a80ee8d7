"""The web process of production behind a real PgBouncer in transaction mode, with nothing but its defaults."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from django.db import connection

from tests.deploy.production import web
from tests.ports import claim_ports
from tests.waiting import until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def pooled_url(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give the address of the test database, as the application role, through the pooler."""
    folder, port, here = tmp_path_factory.mktemp("pgbouncer"), claim_ports(), connection.settings_dict
    (folder / "users").write_text(f'"{here["USER"]}" "{here["PASSWORD"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={here['HOST']} port={here['PORT'] or 5432}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder / 'users'}\npool_mode = transaction\n"
    )
    url = f"postgresql://{here['USER']}@127.0.0.1:{port}/{here['NAME']}"
    process = subprocess.Popen([*as_anybody_but_root(), str(PGBOUNCER), "-q", str(folder / "pgbouncer.ini")])
    try:
        until(lambda: process.poll() is not None or answers(url))
        with django_db_blocker.unblock():
            yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def as_anybody_but_root() -> list[str]:
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_application_is_served_through_it(pooled_url: str) -> None:
    with web(DATABASE_URL=pooled_url) as port:
        assert httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=20).status_code == 200


def test_no_statement_lasts_longer_behind_it(pooled_url: str) -> None:
    with psycopg.connect(pooled_url) as application:
        for name, limit in (
            ("statement_timeout", "5s"),
            ("lock_timeout", "4s"),
            ("idle_in_transaction_session_timeout", "1min"),
        ):
            assert application.execute(f"SHOW {name}").fetchone() == (limit,)
