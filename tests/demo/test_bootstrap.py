"""`manage.py demo` and `manage.py test` on a machine that has nothing yet: each missing thing gets one sentence."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from skillport.demo.options import read_options
from tests.demo.processes import ROOT


@pytest.fixture
def manage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("manage_under_test", ROOT / "manage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose locks ask for nothing, so that making its environment needs no network."""
    shutil.copy(ROOT / "manage.py", tmp_path)
    for lock in ("requirements.txt", "requirements-test.txt", "requirements-embedded.txt"):
        (tmp_path / lock).write_text("# nothing\n")
    return tmp_path


def run(
    checkout: Path, *arguments: str, python: tuple[str, ...] = (sys.executable,), **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), "PIP_NO_INDEX": "1", **more}
    return subprocess.run(
        [*python, "manage.py", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def programs(folder: Path, **scripts: str) -> str:
    """Give a PATH with only these programs."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_an_old_python_is_told(manage: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "OLDEST_PYTHON", (9, 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, this is 3"):
        manage.check_prerequisites()


def test_windows_is_sent_to_wsl(manage: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit, match="WSL"):
        manage.check_prerequisites()


def test_a_missing_git_is_told(checkout: Path) -> None:
    done = run(checkout, "demo", PATH=programs(checkout / "bin"))
    assert done.returncode == 1
    assert "needs git 2.39.4 or newer, and there is none" in done.stderr


@pytest.mark.parametrize("version", ["2.30.2", "2.39.3", "1.9"])
def test_an_old_git_is_told(checkout: Path, version: str) -> None:
    done = run(checkout, "demo", PATH=programs(checkout / "bin", git=f"echo git version {version}"))
    assert done.returncode == 1
    assert f"this is {version}" in done.stderr


@pytest.mark.parametrize("said", ["", "git", "git version", "git version unknown", "no such thing"])
def test_a_git_that_does_not_tell_its_version_is_told(checkout: Path, said: str) -> None:
    done = run(checkout, "demo", PATH=programs(checkout / "bin", git=f"echo {said}"))
    assert done.returncode == 1
    assert done.stderr.startswith("Skillport needs git 2.39.4 or newer, and `git version` does not say")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "version",
    ["2.39.4", "2.40.0", "2.50.1.windows.1", "3.0", "2.48.0-rc1", "2.47.1+next", "2.39.5 (Apple Git-154)"],
)
def test_a_good_git_is_taken(
    manage: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", git=f"echo 'git version {version}'"))
    manage.check_prerequisites()


def test_a_python_that_cannot_make_environments_is_told_what_to_install(
    manage: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        manage.make_environment(tmp_path / ".venv")


def test_a_platform_without_the_embedded_database_is_told_to_bring_one(checkout: Path) -> None:
    (checkout / "requirements-embedded.txt").write_text(
        f"not-for-this-platform==1 --hash=sha256:{'0' * 64}\n"
    )
    done = run(checkout, "demo")
    assert done.returncode == 1
    assert "set DATABASE_URL and DATABASE_OWNER_URL" in done.stderr
    # With a database of one's own it is not wanted, and the next step is reached.
    assert "packages are not installed" in run(checkout, "demo", DATABASE_URL="postgresql://x@/y").stderr


def test_the_environment_is_made_once_and_again_when_a_lock_changes(checkout: Path) -> None:
    first = run(checkout, "demo").stderr
    assert "Making" in first
    assert first.count("Installing") == 2
    assert "Installing" not in run(checkout, "demo").stderr
    assert "Installing requirements-test.txt" in run(checkout, "test", "--version").stderr
    (checkout / "requirements.txt").write_text("# something else\n")
    again = run(checkout, "demo").stderr
    assert "Installing requirements.txt" in again
    assert "Making" not in again


def test_a_half_made_environment_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text("broken")
    assert "Making" in run(checkout, "demo").stderr
    assert (checkout / ".venv" / "bin" / "python").exists()


def test_an_environment_behind_a_link_is_taken_as_it_is(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (checkout / ".venv").symlink_to(tmp_path / "elsewhere")
    done = run(checkout, "demo")
    assert "packages are not installed" in done.stderr, "it went on inside"
    assert (checkout / ".venv").is_symlink()


def test_an_environment_whose_python_has_gone_or_changed_is_made_anew(checkout: Path) -> None:
    run(checkout, "demo")
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(checkout / "removed-since")
    gone = run(checkout, "demo").stderr
    assert "Making" in gone
    assert "Traceback" not in gone
    (checkout / ".venv" / ".made").write_text("3 9")
    assert "Making" in run(checkout, "demo").stderr
    assert "Making" not in run(checkout, "demo").stderr


def test_an_environment_that_is_none_is_told_instead_of_tried_for_ever(checkout: Path) -> None:
    run(checkout, "demo")
    (checkout / ".venv" / "pyvenv.cfg").unlink()
    done = run(checkout, "demo")
    assert done.returncode == 1
    assert "Remove" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("port", ["65535", "99999", "-1"])
def test_a_port_that_cannot_be_is_told(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_options([f"--port={port}"])
    assert "--port must be at most 65534" in capsys.readouterr().err


def test_nothing_is_made_when_told_so_or_for_other_commands(checkout: Path) -> None:
    for arguments, more in [
        (("demo",), {"SKILLPORT_NO_BOOTSTRAP": "1"}),
        (("migrate",), {}),
        (("check",), {}),
    ]:
        # -S: an interpreter without anybody's packages.
        done = run(checkout, *arguments, python=(sys.executable, "-S"), **more)
        assert done.returncode == 1
        assert "No module named 'django'" in done.stderr
        assert "manage.py demo" in done.stderr
        assert not (checkout / ".venv").exists()
