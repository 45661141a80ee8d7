"""What the demo needs before Django reads its settings: a database, keys, addresses, a git host.

Everything lies in `.skillport/` of the checkout, or where SKILLPORT_DATA says. `--once` uses a folder of its own and
begins with an empty one. A lock beside the folder keeps a second process out, whichever database is used.
"""

import atexit
import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import socket
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from marketplaces.services.worker import processes_of
from skillport.demo.git_host import GitHost
from skillport.demo.options import Options, read_options
from skillport.embedded.postgres import ACROSS, APP, OWNER, EmbeddedPostgres
from skillport.outbound import AddressInvalid, Origin

CHECKOUT = Path(__file__).resolve().parents[2]
DATABASE: Final = "skillport"
WORKER: Final = "demo"


@dataclass(frozen=True)
class Surroundings:
    options: Options
    folder: Path
    port: int
    git_host: GitHost
    postgres: EmbeddedPostgres | None  # None: DATABASE_URL named another one
    lock: IO[str] = field(repr=False)  # held for as long as this process lives

    @property
    def site_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


prepared: list[Surroundings] = []  # filled once, by `prepare`, for the command that Django runs next


def prepare(arguments: Sequence[str]) -> None:
    """Start what the settings will point to, and point them to it."""
    if any(word in arguments for word in ("-h", "--help")):
        for name in ("SITE_URL", "SECRET_KEY", "SKILLPORT_ENCRYPTION_KEYS", "DATABASE_URL"):
            os.environ.setdefault(name, _FOR_HELP[name])
        return
    options = read_options(arguments)
    _hold_less_memory()
    base = Path(os.environ.get("SKILLPORT_DATA") or CHECKOUT / ".skillport").absolute()
    folder = base / ("once" if options.once else "demo")
    lock = _take_lock(folder)
    port = _free_port(options.port)
    if options.once:
        _begin_anew(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    postgres = _start_postgres(folder)
    git_host = GitHost(folder / "git-host", _free_port(port + 1 if options.port else 0))
    here = Surroundings(options, folder, port, git_host, postgres, lock)
    os.environ.update(
        SITE_URL=here.site_url,
        SECRET_KEY=_kept(folder / "secret-key", lambda: secrets.token_urlsafe(60)),
        SKILLPORT_ENCRYPTION_KEYS=_kept(folder / "encryption-keys", _new_key_ring),
        SKILLPORT_DATA=str(folder),
        SKILLPORT_WORKER_NAME=WORKER,
        SKILLPORT_OUTBOUND_ALLOW=" ".join(
            [
                os.environ.get("SKILLPORT_OUTBOUND_ALLOW", ""),
                git_host.url,
                *_loopback_origin(options.marketplace),
            ]
        ),
        DATABASE_CONNECTIONS=os.environ.get("DATABASE_CONNECTIONS", "6"),
        SKILLPORT_LOG_FORMAT=os.environ.get("SKILLPORT_LOG_FORMAT", "console"),
        SKILLPORT_LOG_LEVEL=os.environ.get("SKILLPORT_LOG_LEVEL", "WARNING"),
    )
    os.environ.pop("REDIS_URL", None)  # one process: its own queue
    git_host.start()
    prepared.append(here)


_FOR_HELP = {
    "SITE_URL": "http://127.0.0.1:8000",
    "SECRET_KEY": "only-to-print-a-help-text-" * 3,
    "SKILLPORT_ENCRYPTION_KEYS": "none:" + "A" * 43 + "=",
    "DATABASE_URL": "postgresql://nobody@/none",
}


def _take_lock(folder: Path) -> IO[str]:
    """Keep every other demo out of `folder`. The lock lies beside it, so that removing the folder gives nothing up."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = folder.with_suffix(".lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(
            f"Another Skillport process already uses {folder}. Stop it first (Ctrl-C where it runs), wait for its end, "
            "or set SKILLPORT_DATA to another folder."
        ) from None
    return lock


def _begin_anew(folder: Path) -> None:
    """Remove what an earlier run made, after ending what is left of it should it have been killed."""
    processes_of(WORKER, folder / "git").end_leftovers()
    if not os.environ.get("DATABASE_URL"):
        EmbeddedPostgres(folder / "postgres").remove()
    shutil.rmtree(folder, ignore_errors=True)


def _start_postgres(folder: Path) -> EmbeddedPostgres | None:
    if os.environ.get("DATABASE_URL"):
        if not os.environ.get("DATABASE_OWNER_URL"):
            raise SystemExit(
                "DATABASE_URL is set, so set DATABASE_OWNER_URL too: the demo has to make the tables."
            )
        return None
    postgres = EmbeddedPostgres(folder / "postgres")
    atexit.register(postgres.stop)  # for whatever goes wrong before the demo itself is in charge
    postgres.start()
    postgres.make_database(DATABASE)
    os.environ["DATABASE_URL"] = postgres.url(APP, DATABASE)
    os.environ["DATABASE_OWNER_URL"] = postgres.url(OWNER, DATABASE)
    os.environ["DATABASE_ACROSS_ROLE"] = ACROSS
    return postgres


def _hold_less_memory() -> None:
    """Let glibc keep two arenas instead of one for each thread, and give back what is free. Elsewhere, do nothing."""
    with contextlib.suppress(AttributeError, OSError):
        adjust = ctypes.CDLL(None).mallopt
        adjust(-8, 2)  # M_ARENA_MAX
        adjust(-1, 128 * 1024)  # M_TRIM_THRESHOLD


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        # Like the servers themselves: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise SystemExit(
                f"Port {wanted} is busy. Stop what uses it, or choose another: --port 8100"
            ) from None
        return int(probe.getsockname()[1])


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Give the secret that `file` holds (mode 600), making it the first time."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(make())
    return file.read_text()


def _new_key_ring() -> str:
    return "demo:" + b64encode(secrets.token_bytes(32)).decode()


def _loopback_origin(url: str) -> list[str]:
    """Allow the address that the operator named on the command line, if it is on this machine."""
    if not url:
        return []
    try:
        origin = Origin.parse(url)
    except AddressInvalid as error:
        raise SystemExit(f"--marketplace: {error.message}") from None
    return [str(origin)] if origin.host in {"127.0.0.1", "localhost", "::1"} else []
