"""Programs from npm that tests need: each at one version, in a folder of the checkout, and kept there."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.demo.processes import ROOT

_INSTALL_SECONDS = 300
_SOON = ("--fetch-retries=1", "--fetch-timeout=60000")  # where nothing answers, that is to be known soon


def installed(name: str, *packages: str) -> Path:
    """Give the `node_modules` that has these packages. Skips, saying why, where npm cannot install them."""
    folder = ROOT / ".skillport" / "clients" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        done = folder / "installed"  # written last, so that what a killed run left is not taken for whole
        if not done.exists():
            _install(folder, packages)
            done.touch()
    return folder / "node_modules"


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    npm = shutil.which("npm")
    wanted = " ".join(packages)
    if npm is None:
        pytest.skip(f"npm is not installed, so there is no {wanted} to test with")
    try:
        done = subprocess.run(
            [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *_SOON, *packages],
            capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {wanted} within {_INSTALL_SECONDS} seconds")
    if done.returncode:
        pytest.skip(f"npm could not install {wanted}: {done.stderr.strip()[-300:]}")
