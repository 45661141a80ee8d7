"""A worker without room on its disk: what is served stays, whoever reads the sync is told what it is, and with room it goes on."""

import random
import subprocess
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest
from django.conf import settings

from marketplaces.git.errors import DiskFull
from marketplaces.models import Marketplace
from marketplaces.services.worker import Worker, make_worker
from skillport.outbound import Outbound
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import current_commit, publish, sync_now
from tests.repositories import SMALL, Files, NewRepository

# More than the disk holds, though no file is too large by itself.
LARGE: Files = {
    **SMALL,
    **{f"plugins/tools/skills/hello/assets/{n}.bin": random.Random(n).randbytes(2**18) for n in range(12)},
}


def _mount(folder: Path, options: str) -> bool:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)  # fmt: skip
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small-disk"
    folder.mkdir()
    if not _mount(folder, "size=1m"):
        pytest.skip("this user may not mount a disk of a megabyte")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[Worker]:
    """A worker that keeps its copies on a disk of a megabyte."""
    made = make_worker(
        name="cramped", folder=small_disk / "git", outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    )
    yield made
    made.git.processes.stop()


def test_what_is_served_stays_and_with_room_the_next_sync_succeeds(
    cast: Cast, new_repository: NewRepository, cramped: Worker, small_disk: Path
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, cramped)
    before, newest = current_commit(cast.alice, marketplace_id), repository.commit(LARGE)
    for _ in range(4):  # more often than a commit may fail
        run = sync_now(cast.alice, marketplace_id, cramped)
        assert (run.state, run.error_code) == ("failed", DiskFull.code)
        assert "make room" in run.error_message
        assert current_commit(cast.alice, marketplace_id) == before
    with within(cast.acme):
        row = Marketplace.objects.for_organization(cast.acme).get()
    assert (row.commit_failures, row.attention) == (0, ""), (
        "it is not the commit's fault, nor an administrator's"
    )
    assert _mount(small_disk, "remount,size=64m")
    assert sync_now(cast.alice, marketplace_id, cramped).state == "succeeded"
    assert current_commit(cast.alice, marketplace_id) == newest


def test_a_disk_that_is_full_before_git_begins_is_told_the_same(
    cast: Cast, new_repository: NewRepository, cramped: Worker, small_disk: Path
) -> None:
    marketplace_id = publish(cast.alice, repository := new_repository(SMALL), cramped)
    repository.commit(LARGE)
    _fill(small_disk / "filler")
    run = sync_now(cast.alice, marketplace_id, cramped)
    assert (run.state, run.error_code) == ("failed", DiskFull.code)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        for size in (4096, 1):
            _write_until_full(stream, bytes(size))


def _write_until_full(stream: FileIO, piece: bytes) -> None:
    try:
        while True:
            stream.write(piece)
    except OSError as error:
        assert DiskFull.is_told_by(error)  # noqa: PT017 any other would be a fault of the test
