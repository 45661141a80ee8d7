"""Imports point one way; the contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


ROOT = Path(__file__).parents[2]
