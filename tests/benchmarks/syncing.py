"""Sync a large repository: first, with nothing new, and with one file changed; CPU, memory, requests and bytes.

    python -m tests.benchmarks.syncing [--skills 1000] [--files 10]

The anchor is git alone in the same run: a shallow bare clone from the same host, its listing, and every blob read once. The git
host is a process of its own, so that neither side pays for it; PostgreSQL is not counted either. What the first import must not
exceed: 4 requests, 3 times the anchor's CPU. Nothing new: 1 request, 512 bytes. One file: 4 requests, 64 KiB.
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
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

from marketplaces.services.credentials import Credential
from skillport.principal import Principal
from tests.benchmarks.deployment import database


class Cost(NamedTuple):
    cpu_seconds: float
    peak_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skills", type=int, default=1000)
    parser.add_argument("--files", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, _host(Path(scratch) / "host") as told, database():
        return _measure(Path(scratch), *told, given.skills, given.files)


def _measure(scratch: Path, folder: str, url: str, token: str, skills: int, files: int) -> int:
    # Models can be imported only once Django is set up.
    from django.conf import settings

    from marketplaces.models import SkillListing
    from marketplaces.services.worker import make_worker
    from skillport.outbound import Origin, Outbound
    from skillport.scoping import within
    from tests.cast import make_cast
    from tests.publishing import sync_now

    content = _content(skills, files)
    _commit(Path(folder), content)
    anchor = _spent(lambda: _anchor(scratch, url, token))
    settings.OUTBOUND_ALLOWED_ORIGINS = frozenset({Origin.parse(url)})
    cast = make_cast()
    worker = make_worker(
        name="benchmark", folder=scratch / "git", outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    )
    marketplace_id = _bind(cast.alice, url, token)
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

    print(f"{skills * files:,} files in {skills:,} skills; git alone: CPU {anchor.cpu_seconds:.2f} s")
    first = sync("first import", 4, 200 * 2**20, "succeeded")
    print(f"peak of this process {first.peak_mib:.0f} MiB")
    sync("nothing new", 1, 512, "unchanged")
    content[next(path for path in content if path.endswith("/file-1.md"))] = b"changed\n"
    _commit(Path(folder), content)
    changed = sync("one file changed", 4, 64 * 1024, "succeeded")
    print(f"ratio of one file to the first import: {changed.cpu_seconds / first.cpu_seconds:.3f}")
    with within(cast.acme):
        written = SkillListing.objects.for_organization(cast.acme).filter(first_number=2).count()
    print(f"skills written anew: {written}")
    good = good and written == 1 and first.cpu_seconds <= 3 * anchor.cpu_seconds
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


def _commit(folder: Path, content: dict[str, bytes]) -> None:
    from tests.marketplaces.git.builder import commit

    commit(folder, content)


def _bind(owner: Principal, url: str, token: str) -> UUID:
    from marketplaces.services.binding import bind_marketplace

    bound = bind_marketplace(principal=owner, slug="skills", url=url, credential=Credential(token))
    return bound.marketplace_id


def _anchor(scratch: Path, url: str, token: str) -> None:
    """Clone as git does it by itself, list the tree, and read every blob."""
    copy = scratch / "anchor.git"
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(scratch), "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": f"Authorization: {_basic(token)}",
    }  # fmt: skip
    run = ["git", "clone", "--quiet", "--bare", "--depth=1", url, str(copy)]
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
    return Cost(now() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def _host(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Run a git host with one repository in a process of its own; gives its folder, its address and its token."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, there))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("stop")
        process.join(20)


def _serve(folder: Path, told: Connection) -> None:
    from skillport.demo.git_host import GitHost

    host = GitHost(folder)
    host.start()
    name = "benchmark/skills"
    host.make_repository(name)
    told.send((str(host.path_of(name)), host.address_of(name), host.token_of(name)))
    told.recv()
    host.stop()


if __name__ == "__main__":
    sys.exit(main())
