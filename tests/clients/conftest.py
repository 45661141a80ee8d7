"""Real clients, as somebody who has just installed them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import npm

CLAUDE_CODE = "2.1.330"


@pytest.fixture(scope="session")
def claude_code() -> Path:
    """The program `claude`. Skips, saying why, where npm cannot install it."""
    return (
        npm.installed(f"claude-code-{CLAUDE_CODE}", f"@anthropic-ai/claude-code@{CLAUDE_CODE}")
        / ".bin"
        / "claude"
    )


def claude(program: Path, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Claude Code as somebody who has just installed it: an empty home, no login, nothing of this machine's."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [program, *arguments], env={"HOME": str(home), "PATH": os.environ["PATH"], **more}, cwd=home, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
