"""kill -9 at any moment of a sync: readers see one commit or the other, whole, and the next start finishes."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from marketplaces.models import Blob, Release, ReleaseFile, RunState, SyncRun, Trigger
from marketplaces.services import catalog, queue
from skillport.principal import Principal
from skillport.scoping import within
from tests.addresses import application_url
from tests.cast import Cast, make_cast
from tests.publishing import bind, current_commit
from tests.repositories import NewRepository, Repository, marketplace, skill
from tests.waiting import until

KILLS = 30
SKILLS = 60


class WorkerProcess:
    """Runs syncs in a child that may be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, organization_id: UUID, sync_run_id: int, kill_after_milliseconds: int = 0) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{organization_id} {sync_run_id} {kill_after_milliseconds}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def worker_process(folder: Path) -> Iterator[WorkerProcess]:
    here = connection.settings_dict
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "skillport.settings",
        "DATABASE_URL": application_url(here),
        "SKILLPORT_DATA": str(folder),
        "SKILLPORT_WORKER_NAME": "killed",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker_process"], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR,
    )  # fmt: skip
    try:
        yield WorkerProcess(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


class Reader(threading.Thread):
    """Reads the catalog without pause and keeps every answer that is not one commit, whole."""

    def __init__(self, who: Principal) -> None:
        super().__init__(daemon=True)
        self._who = who
        self._ended = threading.Event()
        self.reads = 0
        self.wrong: list[object] = []

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                page = catalog.list_skills(principal=self._who, limit=200)
                told = {one.description for one in page.skills}
                self.reads += 1
                if page.skills and (len(told) != 1 or len(page.skills) != SKILLS):
                    self.wrong.append((len(page.skills), told))
        finally:
            connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join()


def commit(repository: Repository, number: int) -> str:
    """Commit a marketplace in which every skill says the same number."""
    files: dict[str, object] = {".claude-plugin/marketplace.json": marketplace("many")}
    for n in range(SKILLS):
        files[f"plugins/many/skills/s{n:02}/SKILL.md"] = skill(f"s{n:02}", f"Commit {number}.")
        files[f"plugins/many/skills/s{n:02}/data.bin"] = os.urandom(3000)
    return repository.commit(files)  # type: ignore[arg-type]


def request(cast: Cast, marketplace_id: UUID) -> int:
    return queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
    )


def has_ended(cast: Cast, sync_run_id: int) -> bool:
    with within(cast.acme):
        state = SyncRun.objects.for_organization(cast.acme).get(pk=sync_run_id).state
    return state not in {RunState.QUEUED, RunState.RUNNING}


def _milliseconds_of_a_sync(
    cast: Cast, repository: Repository, marketplace_id: UUID, process: WorkerProcess
) -> int:
    commit(repository, 0)
    run_id = request(cast, marketplace_id)
    began = time.monotonic()
    process.run(cast.acme.pk, run_id)
    return int((time.monotonic() - began) * 1000)


def test_a_killed_worker_leaves_no_half_snapshot_and_the_next_start_finishes(
    transactional_db: None,
    new_repository: NewRepository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No hints: the process that is to be killed is the only worker, also where another one listens to Redis.
    monkeypatch.setattr(queue, "_hint", lambda *_: None)
    cast, repository = make_cast(), new_repository({})
    commit(repository, 0)
    marketplace_id = bind(cast.alice, repository)
    chance, killed = random.Random(30), 0
    with worker_process(tmp_path) as process:
        process.run(cast.acme.pk, request(cast, marketplace_id))
        longest = _milliseconds_of_a_sync(cast, repository, marketplace_id, process)
        reader = Reader(cast.bob)
        reader.start()
        for number in range(1, 4 * KILLS):
            newest = commit(repository, number)
            run_id = request(cast, marketplace_id)
            after = chance.randint(1, longest)
            if process.run(cast.acme.pk, run_id, after) == "killed":
                killed += 1
            else:
                longest = after  # the machine is quicker than when it was measured
            # The killed one's database session may hold its row for another moment; whoever sweeps comes again.
            until(lambda: process.run(cast.acme.pk, run_id) and has_ended(cast, run_id))  # noqa: B023
            assert current_commit(cast.alice, marketplace_id) == newest, f"after attempt {number}"
            if killed == KILLS:
                break
        reader.end()
    assert killed == KILLS, "a kill counts that hit a running sync"
    assert reader.wrong == []
    assert reader.reads > KILLS
    with within(cast.acme):
        runs = SyncRun.objects.for_organization(cast.acme)
        assert not runs.filter(state__in=["queued", "running"]).exists()
        # Whatever a killed run left behind is whole: every release has all of its files.
        for release in Release.objects.for_organization(cast.acme):
            files = ReleaseFile.objects.for_organization(cast.acme).filter(release=release)
            assert files.count() == release.file_count
        assert Blob.objects.for_organization(cast.acme).exists()
