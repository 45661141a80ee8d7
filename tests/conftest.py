"""What tests stand on: the database and its roles, the cast, a git host, and the running server.

The owner role creates, migrates and empties the test database; every test runs as the application role.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from marketplaces.services import queue
from marketplaces.services.external import queue as external_queue
from marketplaces.services.worker import Worker, make_worker
from skillport.demo.git_host import GitHost
from skillport.outbound import Outbound
from skillport.owner import as_owner
from tests import browser
from tests.cast import Cast, make_cast
from tests.name_server import NameServer
from tests.openid import OpenIDServer
from tests.repositories import Files, NewRepository, Repository
from tests.running import Running, running

_names = itertools.count(1)

# The same examples in every run, and no complaint about a machine that makes them slowly: chance decides nothing here.
hypothesis.settings.register_profile(
    "alike", derandomize=True, database=None, deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)  # fmt: skip
hypothesis.settings.load_profile("alike")


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
        connection.ops.execute_sql_flush = _flush_as_owner  # type: ignore[method-assign, assignment]
        yield
        with as_owner():
            teardown_databases(databases, verbosity=0)


def owner_connection() -> psycopg.Connection:
    """Connect to the test database as the role that owns its tables."""
    assert settings.DATABASE_OWNER_URL is not None
    return psycopg.connect(
        settings.DATABASE_OWNER_URL.get_secret_value(), dbname=connection.settings_dict["NAME"]
    )


def _flush_as_owner(statements: Iterable[str]) -> None:
    """Empty the tables: the application role has no TRUNCATE, and is not to get it for the tests' sake."""
    wanted = list(statements)
    while True:
        try:
            with owner_connection() as owner:
                for statement in wanted:
                    owner.execute(statement)
        except psycopg.errors.DeadlockDetected:
            continue  # the worker still wrote what follows from a sync that had ended
        return


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(scope="session")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    host = GitHost(tmp_path_factory.mktemp("git-host"), settings.GIT_HOST_PORT)
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def openid() -> Iterator[OpenIDServer]:
    server = OpenIDServer(settings.OPENID_PORT)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    """The only name server that is asked about domains; it knows nothing yet."""
    with NameServer(settings.NAME_SERVER_PORT) as server:
        yield server


@pytest.fixture
def new_repository(git_host: GitHost) -> NewRepository:
    """Give a function that makes another repository with one commit of these files, or empty without any."""

    def make(files: Files) -> Repository:
        name = f"test/repository-{next(_names)}"
        git_host.make_repository(name)
        repository = Repository(git_host, name)
        if files:
            repository.commit(files)
        return repository

    return make


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker for syncs that a test runs by itself.

    In a folder of its own: the running worker deletes the copies of organizations that it does not know, and it cannot
    know those of a transaction that is never committed.
    """
    made = make_worker(
        name="test", folder=tmp_path / "git", outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    )
    yield made
    made.git.processes.stop()


@pytest.fixture
def no_other_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody but the test's own workers take up what it commits: the running one, which others need, hears nothing."""
    monkeypatch.setattr(queue, "_hint", lambda *_: None)
    monkeypatch.setattr(external_queue, "_hint", lambda *_: None)


@pytest.fixture(scope="session")
def _running(django_db_setup: None, django_db_blocker: Any) -> Iterator[Running]:
    with django_db_blocker.unblock(), running() as started:
        yield started


@pytest.fixture
def live(transactional_db: None, _running: Running) -> Iterator[Running]:
    """The real server and the real worker, in threads of this process; what a test writes is committed."""
    yield _running
    _running.wait_until_idle()


@pytest.fixture
def http(live: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=settings.SITE_URL, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Chromium]:
    program = browser.find_program()
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with browser.started(program, tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.fixture
def page(live: Running, _chromium: browser.Chromium) -> Iterator[browser.Page]:
    """A tab of a real browser, with no cookie yet; skips, saying so, where there is none."""
    with _chromium.page() as opened:
        yield opened
