"""GitHub and GitLab on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from skillport.demo.git_host import GitHost
from tests.emulate import Emulator
from tests.marketplaces.providers.emulated_github import (
    APP,
    BARE_APP,
    HOOKS_APP,
    OWN,
    PERSONAL,
    WIDE_APP,
    EmulatedGitHub,
    known_to_github,
    new_key,
)
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, allowed
from tests.repositories import SMALL, Repository


@pytest.fixture
def github(git_host: GitHost, settings: Any) -> Iterator[FakeGitHub]:
    with allowed(FakeGitHub(git_host), settings) as host:
        yield host


@pytest.fixture
def gitlab(git_host: GitHost, settings: Any) -> Iterator[FakeGitLab]:
    with allowed(FakeGitLab(git_host), settings) as host:
        yield host


@pytest.fixture(scope="session")
def keys() -> dict[str, str]:
    key = new_key()
    return {APP: key, BARE_APP: key, WIDE_APP: key, HOOKS_APP: key, "another": new_key()}


@pytest.fixture(scope="session")
def emulator(keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator("github", tmp_path_factory.mktemp("emulate"))
    started.begin(
        known_to_github(keys), tokens={PERSONAL: {"login": "octo", "scopes": ["repo"]}}, ready="/meta"
    )
    yield started
    started.stop()


@pytest.fixture
def app_repository(git_host: GitHost) -> Repository:
    git_host.make_repository(OWN)
    repository = Repository(git_host, OWN)
    repository.commit(SMALL)
    return repository


@pytest.fixture
def emulated(
    git_host: GitHost, emulator: Emulator, app_repository: Repository, settings: Any
) -> Iterator[EmulatedGitHub]:
    with allowed(EmulatedGitHub(git_host, emulator=emulator), settings) as host:
        yield host
