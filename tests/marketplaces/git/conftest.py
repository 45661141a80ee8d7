"""A real git host on loopback, with one repository, and git as a worker runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.processes import Processes
from marketplaces.git.program import GitProgram
from skillport.demo.git_host import GitHost, git
from tests.marketplaces.git.builder import Repository
from tests.marketplaces.git.watching import at_most


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Let no test hang: what it waits for ends here at the latest. The longest takes half a minute on a busy machine."""
    with at_most(200):
        yield


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    host = GitHost(tmp_path / "host")
    host.start()
    yield host
    host.stop()


@pytest.fixture
def repository(host: GitHost) -> Repository:
    name = "acme/skills"
    return Repository(host, name, host.make_repository(name))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A repository that is read where it is, without a host."""
    path = tmp_path / "bare.git"
    git("init", "--quiet", "--bare", str(path))
    git("hash-object", "-t", "tree", "-w", "/dev/null", folder=path)
    return path


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The folder in which running children are written down."""
    return tmp_path / "processes"


@pytest.fixture
def program(records: Path) -> Iterator[GitProgram]:
    program = GitProgram(Processes(records))
    yield program
    program.processes.stop()
    assert not records.exists() or list(records.iterdir()) == [], "a child of git outlived its block"


@pytest.fixture
def copy(tmp_path: Path, program: GitProgram) -> KeptCopy:
    return KeptCopy(tmp_path / "copies", fence=1, program=program, blob_limit=10_000)
