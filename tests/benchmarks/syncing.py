"""Sync a large repository: first, with nothing new, and with one file changed; CPU, memory, requests and bytes.

    python -m tests.benchmarks.syncing [--skills 1000] [--files 10]

The anchor is git alone in the same run: a shallow bare clone from the same host, its listing, and every blob read once. The git
host, which also makes the repository, is a process of its own, so that neither side pays for it; PostgreSQL is not counted
either. What must not be exceeded:

- the first import: 4 requests, 3 times the anchor's CPU, a peak of 150 MB for the whole process;
- nothing new: 1 request, 512 bytes;
- one file changed: 4 requests, 64 KiB, 0.15 times the CPU of the first import, and one skill is written anew.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

from skillport.garbage import leave_startup_alone
from skillport.principal import Principal
from tests.benchmarks.deployment import database


class Cost(NamedTuple):
    cpu_seconds: float
    peak_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skills", type=int, default=1000)
    parser.add_argument("--files", type=int, default=10)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        _host(Path(scratch) / "host", given.skills, given.files) as host,
        database(),
    ):
        print(f"{given.skills * given.files:,} files in {given.skills:,} skills")
        return _measure(Path(scratch), host)


def _measure(scratch: Path, host: "_Host") -> int:
    # Models can be imported only once Django is set up.
    from django.conf import settings

    from marketplaces.models import SkillListing
    from marketplaces.services.worker import make_worker
    from skillport.outbound import Origin, Outbound
    from skillport.scoping import within
    from tests.cast import make_cast
    from tests.publishing import sync_now

    leave_startup_alone()  # as a worker does
    anchor = _spent(lambda: _anchor(scratch, host))
    settings.OUTBOUND_ALLOWED_ORIGINS = frozenset({Origin.parse(host.url)})
    cast = make_cast()
    worker = make_worker(
        name="benchmark", folder=scratch / "git", outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    )
    marketplace_id = _bind(cast.alice, host)
    good = True

    def sync(what: str, most_requests: int, most_bytes: int, state: str) -> Cost:
        nonlocal good
        runs = []
        cost = _spent(lambda: runs.append(sync_now(cast.alice, marketplace_id, worker)))
        run = runs[0]
        ratio = cost.cpu_seconds / anchor.cpu_seconds
        print(
            f"{what}: {run.state}, {run.requests} requests, {run.received_bytes:,} bytes, "
            f"CPU {cost.cpu_seconds:.2f} s, {ratio:.2f} of git's; {run.error_message}"
        )
        good = (
            good and run.state == state and run.requests <= most_requests and run.received_bytes <= most_bytes
        )
        return cost

    print(f"git alone: CPU {anchor.cpu_seconds:.2f} s; this process has {anchor.peak_mb:.0f} MB")
    first = sync("first import", 4, 200 * 2**20, "succeeded")
    print(f"peak of this process: {first.peak_mb:.0f} MB")
    sync("nothing new", 1, 512, "unchanged")
    host.change_one_file()
    changed = sync("one file changed", 4, 64 * 1024, "succeeded")
    ratio = changed.cpu_seconds / first.cpu_seconds
    print(f"ratio of one file to the first import: {ratio:.3f}")
    with within(cast.acme):
        written = SkillListing.objects.for_organization(cast.acme).filter(first_number=2).count()
    print(f"skills written anew: {written}")
    good = good and first.cpu_seconds <= 3 * anchor.cpu_seconds and first.peak_mb <= 150
    good = good and ratio <= 0.15 and written == 1
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


def _content(skills: int, files: int) -> dict[str, bytes]:
    from tests.repositories import marketplace, skill

    plugins = [f"plugin-{number}" for number in range(max(skills // 10, 1))]
    content = {".claude-plugin/marketplace.json": marketplace(*plugins).encode()}
    chance = Random(1)  # text that compresses about as little as real files do
    for number in range(skills):
        folder = f"plugins/{plugins[number % len(plugins)]}/skills/skill-{number}"
        content[f"{folder}/SKILL.md"] = skill(f"skill-{number}").encode()
        for file in range(1, files):
            content[f"{folder}/references/file-{file}.md"] = b64encode(chance.randbytes(1900)) + b"\n"
    return content


def _bind(owner: Principal, host: "_Host") -> UUID:
    from marketplaces.services.binding import bind_marketplace
    from marketplaces.services.credentials import Credential

    credential = Credential(host.token)
    return bind_marketplace(
        principal=owner, slug="skills", url=host.url, credential=credential
    ).marketplace_id


def _anchor(scratch: Path, host: "_Host") -> None:
    """Clone as git does it by itself, list the tree, and read every blob."""
    copy = scratch / "anchor.git"
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(scratch), "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": f"Authorization: {_basic(host.token)}",
    }  # fmt: skip
    run = ["git", "clone", "--quiet", "--bare", "--depth=1", host.url, str(copy)]
    subprocess.run(run, env=environment, check=True)
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "HEAD"], cwd=copy, check=True, capture_output=True
    ).stdout
    ids = b"".join(line.split()[2] + b"\n" for line in listed.splitlines())
    subprocess.run(["git", "cat-file", "--batch"], cwd=copy, input=ids, check=True, stdout=subprocess.DEVNULL)


def _basic(token: str) -> str:
    from marketplaces.git.head import Remote

    return Remote("", "", token).authorization or ""


def _spent(do: Callable[[], object]) -> Cost:
    """Give the CPU time of this process and of what it started and waited for."""

    def now() -> float:
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in used)

    before = now()
    do()
    return Cost(now() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


@dataclass
class _Host:
    """The process of the git host, and the way to its repository."""

    url: str
    token: str
    connection: Connection

    def change_one_file(self) -> None:
        self.connection.send("change")
        self.connection.recv()


@contextmanager
def _host(folder: Path, skills: int, files: int) -> Iterator[_Host]:
    """Run a git host with one repository in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, skills, files, there))
    process.start()
    try:
        url, token = here.recv()
        yield _Host(url, token, here)
    finally:
        here.send("stop")
        process.join(20)


def _serve(folder: Path, skills: int, files: int, told: Connection) -> None:
    from skillport.demo.git_host import GitHost
    from tests.marketplaces.git.builder import commit

    host = GitHost(folder)
    host.start()
    name = "benchmark/skills"
    host.make_repository(name)
    content = _content(skills, files)
    commit(host.path_of(name), content)
    told.send((host.address_of(name), host.token_of(name)))
    while told.recv() == "change":
        content[next(path for path in content if path.endswith("/file-1.md"))] = b"changed\n"
        commit(host.path_of(name), content)
        told.send("changed")
    host.stop()


if __name__ == "__main__":
    sys.exit(main())
