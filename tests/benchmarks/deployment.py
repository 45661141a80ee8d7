"""A deployment to measure: PostgreSQL, several server processes, one organization with a published skill."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from skillport.embedded.postgres import ACROSS, APP, OWNER, EmbeddedPostgres

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Deployment:
    site_url: str
    port: int
    folder: Path
    server: "subprocess.Popen[bytes]"


@contextmanager
def database(**environment: str) -> Iterator[Path]:
    """Start PostgreSQL in a temporary folder, migrate, and set Django up in this process. Gives the folder."""
    folder = Path(tempfile.mkdtemp(prefix="skillport-benchmark-"))
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        postgres.start()
        postgres.make_database("skillport")
        os.environ.update(
            DJANGO_SETTINGS_MODULE="skillport.settings",
            SITE_URL="http://127.0.0.1",
            SECRET_KEY=secrets.token_urlsafe(60),
            SKILLPORT_ENCRYPTION_KEYS="bench:" + b64encode(secrets.token_bytes(32)).decode(),
            DATABASE_URL=postgres.url(APP, "skillport"),
            DATABASE_OWNER_URL=postgres.url(OWNER, "skillport"),
            DATABASE_ACROSS_ROLE=ACROSS,
            SKILLPORT_DATA=str(folder),
            SKILLPORT_LOG_LEVEL="ERROR",
        )
        os.environ.update(environment)
        django.setup()
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
        yield folder
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def deployment(*, server_processes: int, log_level: str = "ERROR") -> Iterator[Deployment]:
    """Start everything on loopback, in a temporary folder; Django is set up in this process too.

    What the server says, its log and the mails of its console, is in the file `said` there.
    """
    port, git_port = _free_port(), _free_port()
    environment = {
        "SITE_URL": f"http://127.0.0.1:{port}",
        "SKILLPORT_OUTBOUND_ALLOW": f"http://127.0.0.1:{git_port}",
        "SKILLPORT_BENCHMARK_GIT_PORT": str(git_port),
        "SKILLPORT_LOG_LEVEL": log_level,
    }
    with database(**environment) as folder:
        server = _serve(port, server_processes, folder / "said")
        try:
            yield Deployment(os.environ["SITE_URL"], port, folder, server)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)


def publish_something(folder: Path) -> Any:
    """Give the cast of the tests, with one small marketplace published to Acme."""
    # Models can be imported only once Django is set up.
    from marketplaces.services.worker import this_worker
    from skillport.demo.git_host import GitHost
    from tests.cast import make_cast
    from tests.publishing import publish
    from tests.repositories import SMALL, Repository

    host = GitHost(folder / "git-host", int(os.environ["SKILLPORT_BENCHMARK_GIT_PORT"]))
    host.start()
    try:
        host.make_repository("acme/skills")
        repository = Repository(host, "acme/skills")
        repository.commit(SMALL)
        cast = make_cast()
        publish(cast.alice, repository, this_worker())
        return cast
    finally:
        host.stop()


def _serve(port: int, processes: int, said: Path) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        [
            sys.executable, "-m", "uvicorn", "skillport.asgi:application", "--host", "127.0.0.1", "--port", str(port),
            "--workers", str(processes), "--no-access-log", "--log-level", "error", "--backlog", "4096",
        ],
        cwd=ROOT, stdout=said.open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {said.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
