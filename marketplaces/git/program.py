"""Run the `git` program, confined: no configuration but ours, no prompts, no redirects, no hooks, limits on everything.

Evidence for each setting: `docs/adr/0005-the-git-program.md`.
"""

import contextlib
import logging
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from marketplaces.git.errors import DiskFull, FetchFailed, GitStopped, RepositoryTooLarge
from marketplaces.git.head import Remote
from marketplaces.git.processes import Processes
from marketplaces.git.traffic import counted
from skillport.outbound import Destination, Meter

logger = logging.getLogger(__name__)

# `preexec_fn` can hang in a threaded process, so a shell sets the limits and then becomes git: 512 MiB for a file (in
# units of 512 bytes), which is all that holds a host that ignores filters, and 512 MiB of memory (in KiB) for each
# process, because half a MiB of deltas may unfold to a GiB. macOS has no such limit, and its shell says so. Without
# the trap, git would be killed at the first of the two and could not tell of it.
_LIMITED: Final = [
    "/bin/sh", "-c",
    'trap "" XFSZ; ulimit -f 1048576; ulimit -t 300; ulimit -v 524288 2>/dev/null; exec "$0" "$@"', "git",
]  # fmt: skip
_SECONDS: Final = 300
# What git says when it met one of the two. A host's own words come as `remote:` or `remote error:`.
_TOO_MUCH: Final = re.compile(
    r"^(fatal|error): (?!remote error).*(out of memory|cannot allocate memory|file too large)",
    re.IGNORECASE | re.MULTILINE,
)

_NO_ROOM: Final = re.compile(
    r"^(fatal|error): (?!remote error).*(no space left on device|disk quota exceeded)",
    re.IGNORECASE | re.MULTILINE,
)

_ALWAYS: Final = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    # Within the limit of memory: packs are mapped piece by piece, and large blobs pass through.
    "core.bigFileThreshold": "16m",
    "core.deltaBaseCacheLimit": "32m",
    "core.packedGitLimit": "64m",
    "core.packedGitWindowSize": "8m",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # one pack per fetch, however small: packs are counted
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.proxy": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    "transfer.bundleURI": "false",
}


@dataclass(frozen=True)
class GitProgram:
    """git, for one worker process."""

    processes: Processes

    def run(self, folder: Path, *arguments: str, connection: "Connection | None" = None) -> bytes:
        """Run git in the bare repository `folder` and give its output.

        Raises `FetchFailed` when git fails, crashes or takes too long, `DiskFull` when there is no room,
        `RepositoryTooLarge` when it needs more memory or disk than it may have, and `GitStopped` when this process is
        ending.
        """
        with self.streaming(folder, *arguments, connection=connection) as output:
            return output.read()

    @contextlib.contextmanager
    def streaming(
        self, folder: Path, *arguments: str, connection: "Connection | None" = None
    ) -> Iterator[IO[bytes]]:
        """Run git and give its output as it comes, to be read to its end; an exception inside the block ends git."""
        with self._started(folder, arguments, connection, stdin=subprocess.DEVNULL) as (child, said):
            assert child.stdout is not None  # noqa: S101 asked for below
            yield child.stdout
            self._finish(child, said, arguments[0], connection)

    @contextlib.contextmanager
    def conversing(self, folder: Path, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Run git and give its input and output, to ask and read by turns."""
        with self._started(folder, arguments, None, stdin=subprocess.PIPE) as (child, said):
            assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 asked for below
            try:
                yield child.stdin, child.stdout
            except FetchFailed:
                if self.processes.stopping.is_set():
                    raise GitStopped from None
                self.processes.end(child)  # or its last words would be waited for
                _raise_if_too_large(said.last_words())
                raise

    @contextlib.contextmanager
    def _started(
        self, folder: Path, arguments: tuple[str, ...], connection: "Connection | None", *, stdin: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], "_Said"]]:
        if self.processes.stopping.is_set():
            raise GitStopped
        with (
            counted(connection.meter) if connection else contextlib.nullcontext() as trace,
            self.processes.started(
                [*_LIMITED, "-C", str(folder), "--git-dir=.", *arguments], stdin=stdin, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env={**environment(connection), **(trace.variables if trace else {})},
                pass_fds=trace.files if trace else (),
            ) as child,
        ):  # fmt: skip
            if trace:
                trace.close()
            said = _Said(child)
            overdue = threading.Timer(_SECONDS, self.processes.end, (child,))
            overdue.daemon = True
            overdue.start()
            try:
                yield child, said
            finally:
                overdue.cancel()

    def _finish(
        self, child: subprocess.Popen[bytes], said: "_Said", command: str, connection: "Connection | None"
    ) -> None:
        code = child.wait()
        if code == 0:
            return
        if self.processes.stopping.is_set():
            raise GitStopped
        words = connection.hiding(said.last_words()) if connection else said.last_words()
        logger.warning("git failed", extra={"command": command, "code": code, "said": words})
        _raise_if_too_large(words)
        raise DiskFull if _NO_ROOM.search(words) else FetchFailed


def _raise_if_too_large(words: str) -> None:
    if _TOO_MUCH.search(words):
        raise RepositoryTooLarge(
            "To read this repository, git needs more than 512 MiB of memory or disk. Move large files out of it."
        ) from None


class _Said(threading.Thread):
    """Reads what a child writes to its error output, so that it never blocks on a full pipe; keeps the end of it."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert child.stderr is not None  # noqa: S101 asked for where it was started
        self._stream = child.stderr
        self._tail = b""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the stream is closed when the child's group is ended
            while chunk := self._stream.read1(4096):  # type: ignore[attr-defined]
                self._tail = (self._tail + chunk)[-4096:]

    def last_words(self) -> str:
        self.join(timeout=1)
        return self._tail.decode(errors="replace").strip()


@dataclass(frozen=True, slots=True)
class Connection:
    """Where git may go, already checked, and with what credential."""

    remote: Remote
    destination: Destination
    meter: Meter = field(default_factory=Meter, compare=False, repr=False)  # counts what goes through it

    def hiding(self, words: str) -> str:
        """Give what a host said without our credential, which it may have said back to us."""
        for secret in (self.remote.credential, (self.remote.authorization or "").removeprefix("Basic ")):
            words = words.replace(secret, "[hidden]") if secret else words
        return words


def environment(connection: Connection | None) -> dict[str, str]:
    """Build git's whole environment. Nothing of ours is inherited but PATH and the operator's own authorities.

    SECURITY: configuration travels in variables and not in arguments, because arguments are visible to every user
    of the machine. A proxy variable would make git ignore the pinned address.
    """
    settings = dict(_ALWAYS)
    if connection is not None:
        settings["http.curloptResolve"] = connection.destination.curl_resolve
        if connection.remote.authorization:
            settings[f"http.{connection.destination.url}.extraHeader"] = (
                f"Authorization: {connection.remote.authorization}"
            )
    built = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": connection.destination.origin.scheme if connection else "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (name, value) in enumerate(settings.items()):
        built[f"GIT_CONFIG_KEY_{number}"], built[f"GIT_CONFIG_VALUE_{number}"] = name, value
    if authorities := os.environ.get("SSL_CERT_FILE"):
        built["GIT_SSL_CAINFO"] = authorities
    return built
