#!/usr/bin/env python3
"""Run Skillport's commands.

`demo` and `test` need nothing but Python and git: they make `.venv` from the hashed locks when it is missing or old.
Every other command expects an installed environment.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 39, 4)
LOCKS = {"demo": ["requirements.txt"], "test": ["requirements.txt", "requirements-test.txt"]}
EMBEDDED_LOCK = "requirements-embedded.txt"


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in LOCKS:
        check_prerequisites()
        if not os.environ.get("SKILLPORT_NO_BOOTSTRAP"):
            bootstrap(command)
    if command == "test":
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[2:]])  # noqa: S606 our own interpreter
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skillport.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            f"{error}. Skillport's packages are not installed in {sys.executable}. Run `python3 manage.py demo` once "
            "and use `.venv/bin/python manage.py`, or install requirements.txt yourself."
        ) from error
    if command == "demo":
        # Before Django reads its settings: the demo brings its own database and keys.
        from skillport.demo.surroundings import prepare

        prepare(sys.argv[2:])
    execute_from_command_line(sys.argv)


def check_prerequisites() -> None:
    """Stop with one sentence and its remedy when Python or git is missing or too old."""
    if sys.version_info < OLDEST_PYTHON:
        stop(
            f"Skillport needs Python 3.11 or newer, this is {sys.version.split()[0]}. Install one and run it again."
        )
    if sys.platform == "win32":
        stop("The demo and the tests run on Linux and macOS. On Windows, run them inside WSL.")
    try:
        said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        stop("Skillport needs git 2.39.4 or newer, and there is none on PATH. Install the package `git`.")
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        stop(
            f"Skillport needs git 2.39.4 or newer, and `git version` does not say which it is: {said.strip()[:80]!r}."
        )
    if tuple(int(number or 0) for number in found.groups()) < OLDEST_GIT:
        stop(f"Skillport needs git 2.39.4 or newer (security fixes); this is {found[0]}. Update git.")


def bootstrap(command: str) -> None:
    """Make `.venv` from the hashed locks if they changed, and go on inside it."""
    locks = [HERE / name for name in LOCKS[command]]
    if not os.environ.get("DATABASE_URL"):
        locks.append(HERE / EMBEDDED_LOCK)
    wanted = {lock.name: hashlib.sha256(lock.read_bytes()).hexdigest() for lock in locks}
    folder = (HERE / ".venv").resolve()  # it may be a link to where there is room
    python = folder / "bin" / "python"
    made = folder / ".made"  # written last: a half-made environment is made anew
    # So is one whose Python has been removed or replaced since by another version.
    if not made.exists() or made.read_text() != version_of(python):
        say(f"Making {folder} with Python {sys.version.split()[0]} (once, about a minute) …")
        make_environment(folder)
        made.write_text(version_of(python))
    for lock in locks:
        stamp = folder / f".{lock.name}.sha256"
        if not stamp.exists() or stamp.read_text() != wanted[lock.name]:
            say(f"Installing {lock.name} …")
            install(python, lock)
            stamp.write_text(wanted[lock.name])
    came_from = os.environ.pop("SKILLPORT_WENT_ON_IN", "")
    if Path(sys.prefix).resolve() == folder:
        return
    if came_from == str(folder):
        stop(f"{python} is not a Python of its own environment. Remove {folder}, then run this again.")
    os.environ["SKILLPORT_WENT_ON_IN"] = str(folder)
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 the interpreter that was just made


def version_of(python: Path) -> str:
    """Give the version of an interpreter, '' when it does not run."""
    asked = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def make_environment(folder: Path) -> None:
    try:
        import ensurepip  # noqa: F401 only asks whether it is there
        import venv
    except ImportError:
        stop(
            "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
        )
    venv.create(folder, with_pip=True, clear=True)


def install(python: Path, lock: Path) -> None:
    # The embedded database's Python code is never run, only its binaries, so its dependencies are not wanted.
    extra = ["--no-deps", "--only-binary", ":all:"] if lock.name == EMBEDDED_LOCK else []
    arguments = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes", *extra]
    if subprocess.run([python, *arguments, "-r", lock], check=False).returncode == 0:
        return
    if extra:
        stop(
            "There is no embedded PostgreSQL for this platform (see pip's message above). Start a PostgreSQL 15 or "
            "newer and set DATABASE_URL and DATABASE_OWNER_URL: docs/operators/database.md says how."
        )
    stop(
        f"pip could not install {lock.name} (see its message above). Check the network, then run this again."
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    raise SystemExit(text)


if __name__ == "__main__":
    main()
