"""A machine to install on, and a server that does its worst."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connector.install.hostile_server import (
    HostileServer,
    bundle,
    serving,
)
from tests.connector.install.machine import (
    NEW,
    OLD,
    SCRIPT,
    Machine,
    planted,
)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with serving() as hostile:
        hostile.will_answer(bundle(*NEW))
        yield hostile


@pytest.fixture
def machine(tmp_path: Path, server: HostileServer) -> Machine:
    for folder in ("bin", "home", "work", "tmp"):
        (tmp_path / folder).mkdir()
    for program in ("bash", "curl"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or pytest.skip(f"needs {program}"))
    (tmp_path / "bin/python3").symlink_to(Path(sys.executable).resolve())
    script = planted(SCRIPT.read_text(), "@SITE_URL@", server.url)
    return Machine(
        tmp_path, server, planted(script, "PAUSES_SECONDS = (1, 2, 4)", "PAUSES_SECONDS = (0, 0, 0)")
    )


@pytest.fixture
def updatable(machine: Machine) -> Machine:
    machine.has_installed(OLD)
    return machine


@pytest.fixture(params=["curl", "no curl"])
def either_way(request: pytest.FixtureRequest, updatable: Machine) -> Machine:
    """The old version is installed; downloads go through curl, or curl is missing."""
    if request.param == "no curl":
        (updatable.root / "bin/curl").unlink()
    return updatable
