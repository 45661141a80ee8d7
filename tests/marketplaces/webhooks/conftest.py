"""A bound repository, synced, with its webhook."""

from collections.abc import Callable

import pytest

from marketplaces.services.worker import Worker
from tests.cast import Cast
from tests.marketplaces.webhooks.sending import Hook
from tests.publishing import publish
from tests.repositories import SMALL, Files, Repository


@pytest.fixture
def repository(new_repository: Callable[[Files], Repository]) -> Repository:
    return new_repository(SMALL)


@pytest.fixture
def hook(cast: Cast, repository: Repository, worker: Worker) -> Hook:
    return Hook(cast.alice, publish(cast.alice, repository, worker))
