"""A worker that is killed again and again in the middle of its syncs, while others read.

Every commit says one number in all of its files. Whoever reads two numbers, or not every skill, or a file that is not what
the list said, has seen half a snapshot.
"""

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection

from connector.install.bundles import content_of
from marketplaces.models import Release, ReleaseFile, RunState, SyncRun, Trigger
from marketplaces.services import catalog, queue
from marketplaces.services.catalog import SkillSummary
from skillport.principal import Principal
from skillport.scoping import within
from tests.addresses import application_url
from tests.publishing import bind, current_commit
from tests.repositories import Files, Repository, marketplace, skill
from tests.waiting import until


class WorkerProcess:
    """Runs syncs in a child that may be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, organization_id: UUID, sync_run_id: int, when: str = "never") -> str:
        """Run a sync that is killed then (`12ms`, `step:12`), and give `killed`, or `ended` and how many steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{organization_id} {sync_run_id} {when}\n")
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


@dataclass
class Seen:
    """What was done, and what nobody should ever have read."""

    killed: int = 0
    unharmed: int = 0  # syncs that were over before they could be killed
    reads: int = 0
    wrong: list[object] = field(default_factory=list)


class Reader(threading.Thread):
    """Reads the list, then skills of it whole, without pause; keeps every answer that is not one commit, whole."""

    def __init__(self, who: Principal, skills: int, number: int) -> None:
        super().__init__(daemon=True)
        self._who, self._skills, self._chance = who, skills, random.Random(number)
        self._ended = threading.Event()
        self.reads = 0
        self.wrong: list[object] = []

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                self._read()
        except Exception as error:  # noqa: BLE001 whatever it is, a read did not succeed
            self.wrong.append(error)
        finally:
            connection.close()

    def _read(self) -> None:
        found = catalog.list_skills(principal=self._who, limit=200).skills
        told = {one.description for one in found}
        self.reads += 1
        if len(told) != 1 or len(found) != self._skills:
            self.wrong.append((len(found), told))
            return
        with within(self._who.organization):
            for one in self._chance.sample(found, 10):
                self.reads += 1
                if not self._is_whole(one):
                    self.wrong.append((one.name, one.description))

    def _is_whole(self, skill: SkillSummary) -> bool:
        """Tell whether the skill has the two files that its description says, byte for byte."""
        own = self._who.organization.pk
        files = {file.path: file for file in catalog.files_of(own, skill.release_id)}
        contents = {path: content_of(own, file.blob_id) for path, file in files.items()}
        return (
            set(files) == {"SKILL.md", "data.bin"}
            and skill.description.encode() in contents["SKILL.md"]
            and all(hashlib.sha256(contents[path]).digest() == file.digest for path, file in files.items())
        )

    def end(self) -> None:
        self._ended.set()
        self.join()


@dataclass
class Kills:
    """A marketplace, published once, and a worker that syncs it and is killed."""

    owner: Principal
    repository: Repository
    process: WorkerProcess
    skills: int = 20
    marketplace_id: UUID = field(init=False)
    _committed: int = 0

    def __post_init__(self) -> None:
        self._commit()
        self.marketplace_id = bind(self.owner, self.repository)
        self._sync("never")

    def steps_of_a_sync(self) -> int:
        """Give how many steps a sync takes that is left in peace."""
        self._commit()
        return int(self._sync("never").removeprefix("ended "))

    def milliseconds_of_a_sync(self) -> int:
        self._commit()
        began = time.monotonic()
        self._sync("never")
        return int((time.monotonic() - began) * 1000)

    def kill_at(self, when: str, seen: Seen) -> None:
        """Sync a new commit, kill the worker then, and see the next start finish what it had begun."""
        newest = self._commit()
        run_id = self._request()
        if self.process.run(self.owner.organization_id, run_id, when) == "killed":
            seen.killed += 1
        else:
            seen.unharmed += 1
        # The killed one's database session may hold its row for another moment; whoever sweeps comes again.
        until(lambda: self.process.run(self.owner.organization_id, run_id) and self._has_ended(run_id))
        if current_commit(self.owner, self.marketplace_id) != newest:
            seen.wrong.append(f"killed at {when}, the next start did not finish")

    def unfinished(self) -> list[object]:
        """Give what the killed ones left behind that is not whole."""
        own = self.owner.organization
        with within(own):
            left: list[object] = list(
                SyncRun.objects.for_organization(own).filter(ended_at=None).values_list("state", flat=True)
            )
            for release in Release.objects.for_organization(own):
                files = ReleaseFile.objects.for_organization(own).filter(release=release)
                if files.count() != release.file_count:
                    left.append(release)
            return left

    def _sync(self, when: str) -> str:
        return self.process.run(self.owner.organization_id, self._request(), when)

    def _request(self) -> int:
        return queue.request_sync(
            organization=self.owner.organization, marketplace_id=self.marketplace_id, trigger=Trigger.MANUAL,
            actor=self.owner,
        )  # fmt: skip

    def _has_ended(self, run_id: int) -> bool:
        with within(self.owner.organization):
            state = SyncRun.objects.for_organization(self.owner.organization).get(pk=run_id).state
        return state not in {RunState.QUEUED, RunState.RUNNING}

    def _commit(self) -> str:
        self._committed += 1
        files: Files = {".claude-plugin/marketplace.json": marketplace("many")}
        for n in range(self.skills):
            files = {
                **files,
                f"plugins/many/skills/s{n:02}/SKILL.md": skill(f"s{n:02}", f"Commit {self._committed}."),
                f"plugins/many/skills/s{n:02}/data.bin": os.urandom(3000),
            }
        return self.repository.commit(files)


@contextmanager
def reading(who: Principal, skills: int, readers: int, seen: Seen) -> Iterator[Callable[[], int]]:
    """Let so many read while the block runs, and note in `seen` what they saw. Gives how many reads there were by now."""
    threads = [Reader(who, skills, number) for number in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(thread.reads for thread in threads)
    finally:
        for thread in threads:
            thread.end()
            seen.reads += thread.reads
            seen.wrong += thread.wrong
