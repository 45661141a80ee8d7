"""What a worker process has for its syncs: git, the way out, a folder for copies, and a name for its leases."""

import socket
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from skillport.outbound import Outbound


@dataclass(frozen=True)
class Worker:
    """One process that syncs. `name` is on its leases; one that begins again under the same name takes them over."""

    name: str
    folder: Path
    outbound: Outbound
    git: GitProgram

    def copies_of(self, organization_id: UUID, marketplace_id: UUID) -> Path:
        """Give the folder for a marketplace's kept copy; it begins with the organization's id."""
        return self.folder / "copies" / str(organization_id) / str(marketplace_id)

    def mirrors_of(self, organization_id: UUID) -> Path:
        """Give the folder for copies of external sources, which last as long as the jobs that mirror them."""
        return self.folder / "mirrors" / str(organization_id)


def make_worker(*, name: str, folder: Path, outbound: Outbound) -> Worker:
    return Worker(name, folder, outbound, GitProgram(processes_of(name, folder)))


def processes_of(name: str, folder: Path) -> Processes:
    """Give the record of the process groups that the worker `name` started."""
    return Processes(folder / "processes" / name)


@lru_cache(maxsize=1)
def this_worker() -> Worker:
    """Give this process's worker, as the settings describe it.

    The name is new for each process unless the settings give one: only somebody who starts at most one process under
    a name may give it (the demo does; a stateful set may).
    """
    name = settings.WORKER_NAME or f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    return make_worker(name=name[:100], folder=settings.DATA_DIRECTORY / "git", outbound=outbound)
