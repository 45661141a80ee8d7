"""Real clients, installed from npm at one version into a folder of the checkout, and kept there."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.demo.processes import ROOT

CLAUDE_CODE = "2.1.330"


@pytest.fixture(scope="session")
def claude_code() -> Path:
    """The program `claude`. Skips, saying why, where npm cannot install it; where CI is set that is a failure."""
    folder = ROOT / ".skillport" / "clients" / f"claude-code-{CLAUDE_CODE}"
    program = folder / "node_modules" / ".bin" / "claude"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not program.exists():
            _install(folder)
    return program


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so there is no Claude Code to test with")
    package = f"@anthropic-ai/claude-code@{CLAUDE_CODE}"
    done = subprocess.run(
        [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", package],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm could not install {package}: {done.stderr.strip()[-300:]}")


def claude(program: Path, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Claude Code as somebody who has just installed it: an empty home, no login, nothing of this machine's."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [program, *arguments], env={"HOME": str(home), "PATH": os.environ["PATH"], **more}, cwd=home, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
