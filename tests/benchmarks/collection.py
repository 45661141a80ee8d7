"""Collect an organization with many snapshots, of which only the last stays: time and rows, beside writing the same rows.

    python -m tests.benchmarks.collection [--snapshots 50] [--skills 1000] [--changed 100]

Each snapshot changes so many skills of the one before, with two files each. The anchor is the import of the snapshots
themselves in the same run (storing and publishing, without git): the ratio of collecting to it is the figure to keep. Two
more ratios are of a collection that finds nothing, and of the longest single transaction to one publish.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch
from uuid import UUID

from tests.benchmarks.deployment import database


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=50)
    parser.add_argument("--skills", type=int, default=1000)
    parser.add_argument("--changed", type=int, default=100)
    given = parser.parse_args()
    with database():
        return _measure(given.snapshots, given.skills, given.changed)


def _measure(snapshots: int, skills: int, changed: int) -> int:
    # Models can be imported only once Django is set up.
    from marketplaces.models import Blob, Marketplace, ReleaseFile, SkillListing
    from skillport.scoping import within
    from tests.cast import make_cast
    from tests.collecting import collect_all, damage, let_time_pass, numbers

    acme = make_cast().acme
    with within(acme):
        marketplace = Marketplace.objects.create(
            organization=acme, slug="skills", url="https://git.example/x"
        )
    age = [0] * skills
    publishes = []
    began = time.perf_counter()
    for number in range(snapshots):
        for one in range(changed if number else 0):
            age[(number * changed + one) % skills] = number
        publishes.append(_timed(lambda: _import(acme.pk, marketplace.pk, age)))
    imported = time.perf_counter() - began

    def rows() -> int:
        with within(acme):
            owned = (Blob, ReleaseFile, SkillListing)
            return sum(model.objects.for_organization(acme).count() for model in owned)

    before = rows()
    idle = _timed(lambda: collect_all(acme))
    let_time_pass(acme)
    with _transactions() as transactions:
        began = time.perf_counter()
        gone = collect_all(acme)
        collected = time.perf_counter() - began
    print(f"{snapshots} snapshots of {skills} skills, {changed} changed each: imported in {imported:.2f} s")
    print(f"collected in {collected:.2f} s, {before - rows():,} of {before:,} rows of content: {gone}")
    print(f"ratio of collecting to importing: {collected / imported:.3f}")
    print(f"ratio of finding nothing to importing: {idle / imported:.4f}")
    longest, publish = max(transactions), sorted(publishes)[len(publishes) // 2]
    print(
        f"{len(transactions)} transactions, the longest {longest * 1000:.0f} ms: {longest / publish:.2f} of one import"
    )
    good = numbers(acme) == [snapshots] and not damage(acme) and collect_all(acme).is_nothing
    print("as it must be" if good else "NOT as it must be")
    return 0 if good else 1


def _import(organization_id: UUID, marketplace_id: UUID, age: list[int]) -> None:
    """Store and publish one commit in which each skill is as old as `age` says."""
    from marketplaces.git.commit import CommitInfo
    from marketplaces.manifest.plan import Catalog, PlannedFile, PlannedPlugin, PlannedSkill
    from marketplaces.models import SyncRun, Trigger
    from marketplaces.services import leases
    from marketplaces.services.publishing import publish
    from marketplaces.services.storing import store_blobs
    from skillport.scoping import within

    with within(organization_id):
        run = SyncRun.objects.create(
            organization_id=organization_id, marketplace_id=marketplace_id, trigger=Trigger.POLL
        )
    lease = leases.take(organization_id=organization_id, sync_run_id=run.pk, worker="benchmark")
    assert lease is not None
    contents: dict[str, bytes] = {}
    planned = []
    for skill, version in enumerate(age):
        files = []
        for name in ("SKILL.md", "scripts/do.py"):
            content = f"{skill} {name} {version}\n".encode() * 100
            git_id = f"{skill:012x}{version:012x}{len(name):016x}"
            contents[git_id] = content
            files.append(PlannedFile(path=name, git_id=git_id, size_bytes=len(content), executable=False))
        planned.append(
            PlannedSkill(
                name=f"skill-{skill}", folder=f"skills/skill-{skill}", description="Does something.", author_version="",
                frontmatter={}, files=tuple(files),
            )
        )  # fmt: skip
    every = tuple(
        PlannedFile(
            path=f"{skill.folder}/{file.path}",
            git_id=file.git_id,
            size_bytes=file.size_bytes,
            executable=False,
        )
        for skill in planned
        for file in skill.files
    )
    plugin = PlannedPlugin(
        name="many", root="", description="", author_version="", about={}, files=every, skills=tuple(planned), refused_files=0
    )  # fmt: skip
    catalog = Catalog(name="many", description="", plugins=(plugin,), findings=())
    stored = store_blobs(
        organization_id, {git_id: len(content) for git_id, content in contents.items()}, lambda ids: [contents[git_id] for git_id in ids], lambda *_: None
    )  # fmt: skip
    info = CommitInfo("somebody", datetime.now(UTC), "a change")
    publish(lease, commit=f"{run.pk:040x}", info=info, catalog=catalog, stored=stored)


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


@contextmanager
def _transactions() -> Iterator[list[float]]:
    """Give, in seconds, how long each of collection's own transactions lasts."""
    from marketplaces.services import collecting
    from skillport.scoping import within

    lasted: list[float] = []

    @contextmanager
    def timed(organization: UUID) -> Iterator[None]:
        began = time.perf_counter()
        with within(organization):
            yield
        lasted.append(time.perf_counter() - began)

    with patch.object(collecting, "within", timed):
        yield lasted


if __name__ == "__main__":
    sys.exit(main())
