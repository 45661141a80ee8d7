"""Run the `git` program, confined: no configuration but ours, no prompts, no redirects, no hooks, limits on everything.

Evidence for each setting: `docs/adr/0005-the-git-program.md`.
"""

import contextlib
import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from marketplaces.git.errors import FetchFailed, GitStopped
from marketplaces.git.head import Remote
from marketplaces.git.processes import Processes
from skillport.outbound import Destination

logger = logging.getLogger(__name__)

# `preexec_fn` can hang in a threaded process, so a shell sets the limits and then becomes git. The file limit (in
# units of 512 bytes) is the only cap on a host that ignores filters. No `ulimit -v`: git maps packs into memory.
_LIMITED: Final = ["/bin/sh", "-c", 'ulimit -f 1048576; ulimit -t 300; exec "$0" "$@"', "git"]
_SECONDS: Final = 300

_ALWAYS: Final = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
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

        Raises `FetchFailed` when git fails, crashes or takes too long, and `GitStopped` when this process is ending.
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
        with self._started(folder, arguments, None, stdin=subprocess.PIPE) as (child, _):
            assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 asked for below
            try:
                yield child.stdin, child.stdout
            except FetchFailed:
                if self.processes.stopping.is_set():
                    raise GitStopped from None
                raise

    @contextlib.contextmanager
    def _started(
        self, folder: Path, arguments: tuple[str, ...], connection: "Connection | None", *, stdin: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], "_Said"]]:
        with self.processes.started(
            [*_LIMITED, "-C", str(folder), "--git-dir=.", *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(connection),
        ) as child:  # fmt: skip
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
        raise FetchFailed


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
