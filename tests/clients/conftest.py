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
        [program, *arguments], cwd=home, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300,
        # It waits for a connector in milliseconds: long enough for a busy machine.
        env={"HOME": str(home), "PATH": os.environ["PATH"], "MCP_TIMEOUT": "60000", **more},
    )  # fmt: skip
