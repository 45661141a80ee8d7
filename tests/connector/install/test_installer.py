"""`install.sh` against a server that does its worst: real bash, real curl, a folder of its own, loopback only.

Every refusal has a twin: the same attack on a copy of the script without the line that refuses it must get further.
"""

import datetime
import gzip
import os
import pty
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.connector.install.hostile_server import (
    NAME,
    SKILL_MD,
    Answer,
    HostileServer,
    Member,
    answer_with,
    bundle,
    cut,
    entry,
    error,
    packed,
    release_digest,
    serving,
    tar,
)

SCRIPT = Path(__file__).parents[3] / "connector/install/scripts/install.sh"
TOKEN = "sklp_it_" + "Ab3" * 16 + "Z"
OLD = (
    Member(path=b"SKILL.md", content=b"# PDF tools, old\n"),
    Member(path=b"vanishes/soon.md", content=b"old"),
    Member(path=b"scripts/run.sh", content=b"echo old\n"),
)
NEW = (
    SKILL_MD,
    Member(path=b"scripts/run.sh", content=b"echo new\n", mode=0o755),
    Member(path="références/naïve 日本.md".encode(), content=bytes(range(256)) * 40),
    Member(path=b"empty/__init__.py"),
)
Tree = dict[str, tuple[int, bytes]]


@dataclass
class Machine:
    """A person's computer: a home, a current folder, a PATH of three programs, and one server it knows."""

    root: Path
    server: HostileServer
    script: str

    @property
    def target(self) -> Path:
        return self.root / "home/.claude/skills" / NAME

    def start(self, *options: str, script: str | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Run the script as `curl … | bash -s -- options` does."""
        bash = subprocess.Popen(
            [self.root / "bin/bash", "-s", "--", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.root / "work",
            env={
                "PATH": str(self.root / "bin"),
                "HOME": str(self.root / "home"),
                "TMPDIR": str(self.root / "tmp"),
                "SKILLPORT_TOKEN": TOKEN,
                **environment,
            },
            start_new_session=True,
        )
        return bash

    def install(self, *options: str, script: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        bash = self.start(*options, **environment)
        out, err = bash.communicate((script or self.script).encode())
        done = subprocess.CompletedProcess(bash.args, bash.returncode, out.decode(), err.decode())
        assert TOKEN not in done.stdout + done.stderr
        return done

    def refuses(self, says: str, *options: str, **environment: str) -> bool:
        """Tell whether a run ends with this sentence, having changed nothing anywhere."""
        before = tree(self.root)
        done = self.install(*options, **environment)
        return (
            done.returncode == 1
            and done.stdout == ""
            and re.fullmatch(rf"skillport: .*{re.escape(says)}.*\n", done.stderr) is not None
            and tree(self.root) == before
        )


def tree(root: Path) -> Tree:
    """Everything below a folder, by relative path; links are not followed."""
    found: Tree = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            place = Path(folder, name)
            content = os.fsencode(place.readlink()) if place.is_symlink() else b"/" if place.is_dir() else place.read_bytes()
            found[str(place.relative_to(root))] = (place.lstat().st_mode & 0o7777, content)
    return found


def as_tree(members: tuple[Member, ...]) -> Tree:
    files = {member.path.decode(): (0o755 if member.mode & 0o100 else 0o644, member.content) for member in members}
    folders = {str(parent): (0o755, b"/") for path in files for parent in Path(path).parents if str(parent) != "."}
    return files | folders


def put(members: tuple[Member, ...], target: Path) -> None:
    for member in members:
        place = target / member.path.decode()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(member.content)


def planted(script: str, sound: str, faulty: str) -> str:
    """Give the script with a fault in it; fails when the line that is to be spoiled is no longer there."""
    assert script.count(sound) == 1, sound
    return script.replace(sound, faulty)


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
    return Machine(tmp_path, server, planted(script, "PAUSES_SECONDS = (1, 2, 4)", "PAUSES_SECONDS = (0, 0, 0)"))


@pytest.fixture
def updatable(machine: Machine) -> Machine:
    put(OLD, machine.target)
    return machine


@pytest.fixture(params=["curl", "no curl"])
def either_way(request: pytest.FixtureRequest, updatable: Machine) -> Machine:
    """The old version is installed; downloads go through curl, or curl is missing."""
    if request.param == "no curl":
        (updatable.root / "bin/curl").unlink()
    return updatable


# What it is for


def test_it_installs_bytes_modes_and_names(machine):
    done = machine.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Installed pdf-tools 1.0.0 in {machine.target}\nStart a new session to use it.\n"
    assert tree(machine.target) == as_tree(NEW)
    assert os.listdir(machine.target.parent) == [NAME]
    assert machine.target.stat().st_mode & 0o7777 == machine.target.parent.stat().st_mode & 0o7777 == 0o755
    [(line, sent)] = machine.server.asked
    assert line == "POST /api/v1/install/redeem HTTP/1.1"
    assert sent["token"] == TOKEN
    assert re.fullmatch(r"[0-9a-f]{32,}", sent["redemption_key"])
