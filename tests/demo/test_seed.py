"""What the demo makes at its start, without starting a demo: two organizations with repositories, people and keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from skillport.demo.git_host import GitHost
from skillport.demo.options import Options
from skillport.demo.seed import HIDDEN_FROM_BOB, SyncDidNotSucceed, seed, write_demo_file
from skillport.demo.surroundings import Surroundings
from tests.repositories import SMALL, NewRepository
from tests.running import Running

Start = Callable[..., list[Any]]


@pytest.fixture
def start(live: Running, git_host: GitHost, tmp_path: Path) -> Start:
    """Give a function that seeds as another start of the same demo would."""

    def start(marketplace: str = "", token: str = "") -> list[Any]:
        options = Options(once=False, port=settings.SERVER_PORT, marketplace=marketplace, token=token)
        with (tmp_path / "demo.lock").open("a") as lock:
            here = Surroundings(options, tmp_path / "demo", settings.SERVER_PORT, git_host, None, lock)
            here.folder.mkdir(exist_ok=True)
            seeded = seed(here, print)
            write_demo_file(here, seeded)
        return seeded

    return start


def test_another_start_keeps_everything(start: Start) -> None:
    acme, globex = first = start()
    assert acme.hidden_skill == HIDDEN_FROM_BOB
    assert acme.visible_skill
    assert acme.marketplaces == globex.marketplaces == ["skills"]
    assert start() == first


def test_a_repository_of_ones_own_comes_beside_the_sample_and_its_token_is_corrected(
    start: Start, new_repository: NewRepository
) -> None:
    start()
    own = new_repository(SMALL)
    with pytest.raises(SyncDidNotSucceed, match="credential_refused"):
        start(own.url, "wrong")
    acme, globex = start(own.url, own.token)
    assert len(acme.marketplaces) == 2
    assert globex.marketplaces == ["skills"]
    assert start(own.url, own.token)[0] == acme
