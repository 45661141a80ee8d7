"""What tests stand on: the database and its roles, the cast, a git host, and the running server.

The owner role creates, migrates and empties the test database; every test runs as the application role.
"""

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from marketplaces.services.worker import Worker, make_worker
from skillport.demo.git_host import GitHost
from skillport.outbound import Outbound
from skillport.owner import as_owner
from tests.cast import Cast, make_cast
from tests.repositories import Files, Repository
from tests.running import Running, running

_names = itertools.count(1)


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
    with owner_connection() as owner:
        for statement in statements:
            owner.execute(statement)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(scope="session")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    host = GitHost(tmp_path_factory.mktemp("git-host"), settings.GIT_HOST_PORT)
    host.start()
    yield host
    host.stop()


@pytest.fixture
def new_repository(git_host: GitHost) -> Callable[[Files], Repository]:
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
def worker() -> Iterator[Worker]:
    """A worker for syncs that a test runs by itself."""
    folder = settings.DATA_DIRECTORY / "git"
    shutil.rmtree(folder, ignore_errors=True)
    made = make_worker(name="test", folder=folder, outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS))
    yield made
    made.git.processes.stop()


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
