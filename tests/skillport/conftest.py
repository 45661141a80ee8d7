"""Fixtures that several of these modules share."""

from collections.abc import Iterator

import pytest

from tests.skillport.clusters import Clusters


@pytest.fixture
def clusters() -> Iterator[Clusters]:
    made = Clusters()
    yield made
    made.stop()
