"""Start `manage.py demo` as a newcomer would, in a folder of its own, and look at what it started."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.ports import claim_ports
from tests.waiting import until

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Give what a newcomer's shell has, and a folder of the test's own for everything that the demo keeps."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "SKILLPORT_DATA": str(folder),
        "SKILLPORT_NO_BOOTSTRAP": "1",
        "PYTHONWARNINGS": "error",
        **more,
    }


class Demo:
    """A running demo."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str, seconds: float = 180) -> None:
        """Wait until the demo has said `text`."""
        until(lambda: text in self.said or self.process.poll() is not None, seconds)
        assert text in self.said, self.said

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def file(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "demo.json").read_text())
        return told

    def end(self, number: int, seconds: float = 60) -> int:
        """Send a signal and give the exit code; the demo must be gone within `seconds`."""
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def postmaster(self) -> int:
        """Give the process id of the database's server, of whichever mode runs here."""
        (file,) = self.folder.glob("*/postgres/data/postmaster.pid")
        return int(file.read_text().splitlines()[0])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@contextmanager
def started(folder: Path, *arguments: str, port: int = 0, **more: str) -> Iterator[Demo]:
    """Start the demo; what is left of it at the end of the block is killed."""
    port = port or claim_ports(2)  # the second is the git host's
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port), *arguments], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(folder, **more),
    )  # fmt: skip
    demo = Demo(process, folder, port)
    try:
        yield demo
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
            with suppress(OSError, ValueError):
                os.kill(demo.postmaster(), signal.SIGQUIT)
        assert process.stdout is not None
        demo._reader.join(timeout=5)
        process.stdout.close()


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_with(text: str) -> list[int]:
    """Give the processes whose command line holds `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if text.encode() in (folder / "cmdline").read_bytes() and alive(int(folder.name)):
                    found.append(int(folder.name))
    return found
