"""What tests see of processes, and how they wait: for an end, never for a time."""

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads /proc, which only Linux has"
)


# For what ends at once where it is right, and where it is wrong never, or when a host's patience of twenty seconds is
# over: far from both, so that no busy machine decides.
SOON = 15


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer, even if it would never end."""

    def fail(*_: object) -> None:
        raise TimeoutError(f"This took longer than {seconds} s.")

    before = signal.signal(signal.SIGALRM, fail)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def members(group: int) -> list[int]:
    """Give the processes of a group that are not dead already."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, of_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(of_group) == group and state not in "ZX":
                    found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Watched:
    """A process that is watched by a handle, so that no namesake is mistaken for it."""

    def __init__(self, pid: int) -> None:
        self._handle = os.pidfd_open(pid)

    def ends_within(self, seconds: float) -> bool:
        ended, _, _ = select.select([self._handle], [], [], seconds)
        os.close(self._handle)
        return bool(ended)


def variables(pid: int) -> dict[str, str]:
    """Give the environment that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)
