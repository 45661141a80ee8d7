"""GitHub and GitLab on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from skillport.demo.git_host import GitHost
from tests.marketplaces.providers.fake_hosts import FakeGitHub, FakeGitLab, allowed


@pytest.fixture
def github(git_host: GitHost, settings: Any) -> Iterator[FakeGitHub]:
    with allowed(FakeGitHub(git_host), settings) as host:
        yield host


@pytest.fixture
def gitlab(git_host: GitHost, settings: Any) -> Iterator[FakeGitLab]:
    with allowed(FakeGitLab(git_host), settings) as host:
        yield host
