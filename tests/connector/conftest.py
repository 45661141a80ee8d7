"""What tests of the connector stand on."""

import httpx2
import pytest

from marketplaces.services.worker import Worker
from tests.cast import Cast, make_cast
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository


@pytest.fixture
def people(http: httpx2.Client) -> Cast:
    """The cast, where the running server sees it."""
    return make_cast()


@pytest.fixture
def published(people: Cast, new_repository: NewRepository, worker: Worker) -> Cast:
    """The same, with something to install."""
    publish(people.alice, new_repository(SMALL), worker)
    return people
