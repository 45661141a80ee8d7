"""Another git host, on which plugins are kept that marketplaces list."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from marketplaces.models import ExternalSource, Snapshot, SyncRun
from marketplaces.services.external import mirroring
from marketplaces.services.worker import Worker, make_worker
from skillport.demo.git_host import Exchange, GitHost
from skillport.outbound import Origin, Outbound
from skillport.principal import Principal
from skillport.scoping import within
from tests.repositories import Files, Repository

MirrorAll = Callable[[Principal], int]
_names = itertools.count(1)


@dataclass(frozen=True)
class Elsewhere:
    """The other host."""

    host: GitHost

    @property
    def name(self) -> str:
        """Give the host as an administrator allows it."""
        return self.host.url.removeprefix("http://")

    def public(self, files: Files) -> Repository:
        """Make a repository that anybody may read."""
        made = self.private(files)
        self.host.open_to_everybody(made.name)
        return made

    def private(self, files: Files) -> Repository:
        name = f"far/repository-{next(_names)}"
        self.host.make_repository(name)
        repository = Repository(self.host, name)
        repository.commit(files)
        return repository

    def asked_for(self, repository: Repository) -> list[Exchange]:
        """Give the requests that were about the repository."""
        return [one for one in list(self.host.exchanges) if f"/{repository.name}.git" in one.path]


@pytest.fixture(scope="session")
def _far_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    host = GitHost(tmp_path_factory.mktemp("far-host"))
    host.start()
    yield host
    host.stop()


@pytest.fixture
def elsewhere(_far_host: GitHost) -> Elsewhere:
    _far_host.exchanges.clear()
    return Elsewhere(_far_host)


@pytest.fixture
def worker(_far_host: GitHost, tmp_path: Path) -> Iterator[Worker]:
    """A worker whose operator allows both hosts."""
    origins = frozenset({*settings.OUTBOUND_ALLOWED_ORIGINS, Origin.parse(_far_host.url)})
    made = make_worker(name="test", folder=tmp_path / "git", outbound=Outbound(origins))
    yield made
    made.git.processes.stop()


@pytest.fixture
def mirror_all(worker: Worker) -> MirrorAll:
    """Give a function that mirrors whatever waits in a person's organization, and tells how many sources that were."""

    def mirror(owner: Principal) -> int:
        count = 0
        while mirroring.run_next(organization_id=owner.organization_id, worker=worker):
            count += 1
        return count

    return mirror


def source_of(owner: Principal, repository: Repository) -> ExternalSource:
    with within(owner.organization):
        return ExternalSource.objects.for_organization(owner.organization).get(url=repository.url)


def change(owner: Principal, repository: Repository, **values: object) -> None:
    """Set columns of the repository's source, as time would."""
    with within(owner.organization):
        rows = ExternalSource.objects.for_organization(owner.organization).filter(url=repository.url)
        assert rows.update(**values)


def queued(owner: Principal) -> list[str]:
    """Give what has triggered the syncs that wait."""
    with within(owner.organization):
        runs = SyncRun.objects.for_organization(owner.organization).filter(state="queued")
        return list(runs.values_list("trigger", flat=True))


def snapshots(owner: Principal) -> int:
    with within(owner.organization):
        return Snapshot.objects.for_organization(owner.organization).count()
