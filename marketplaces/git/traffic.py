"""Count what git asks of a host and what comes back, while it comes.

git tells of its packets (`GIT_TRACE_PACKET`) and passes on the pack (`GIT_TRACE_PACKFILE`) into two pipes that threads
of ours empty: nothing is written to disk, and there is no header in it, hence no credential (git(1), checked 2026-11
with 2.39). Counted are the bodies of answers; headers, TLS and the framing of packets are not. On a system without
`/dev/fd`, git says so and goes on, and nothing is counted.
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Final

from skillport.outbound import Meter

_CHUNK: Final = 65536
_LONGEST_LINE: Final = 70_000  # a packet has at most 65,520 bytes
# The advertisement that begins a fetch is one request. Then each command of protocol 2 is one; of older versions, each
# time that everything wanted is said again. A host may repeat the latter's words, and makes itself look busier by that.
_ADVERTISED: Final = re.compile(rb"packet: +git< (version 2|# service)")
_ASKED: Final = re.compile(rb"packet: +(fetch> command=|git< [0-9a-f]{4}want )")
_ANSWERED: Final = re.compile(rb"packet: +(fetch|fetch-pack)< (.*)")
_JOIN_SECONDS: Final = 5
_FRAME: Final = 5  # four digits of length before a line, and the end of the line


class Trace:
    """What a git process is given so that it tells of its traffic; `close` once it has been started."""

    def __init__(self, packets: int, pack: int) -> None:
        self.files = [packets, pack]
        self.variables = {
            "GIT_TRACE_BARE": "1",
            "GIT_TRACE_PACKET": f"/dev/fd/{packets}",
            "GIT_TRACE_PACKFILE": f"/dev/fd/{pack}",
        }

    def close(self) -> None:
        """Leave the pipes to git alone: they end when it does. Once only: a number may be another file's by then."""
        while self.files:
            os.close(self.files.pop())


@contextlib.contextmanager
def counted(meter: Meter) -> Iterator[Trace]:
    """Count into `meter` what a git process inside the block tells; it must have ended when the block does."""
    packets, pack = _Emptied(_Packets(meter)), _Emptied(lambda piece: meter.add(received_bytes=len(piece)))
    trace = Trace(packets.to_git, pack.to_git)
    try:
        yield trace
    finally:
        trace.close()
        packets.join(_JOIN_SECONDS)
        pack.join(_JOIN_SECONDS)


class _Emptied(threading.Thread):
    """Reads a pipe to its end and hands on each piece."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__(name="git-traffic", daemon=True)
        self._from_git, self.to_git = os.pipe()
        self._take = take
        self.start()

    def run(self) -> None:
        with os.fdopen(self._from_git, "rb", buffering=0) as stream:
            while piece := stream.read(_CHUNK):
                self._take(piece)


class _Packets:
    """Counts requests and the bytes of answers, but for the pack, in the lines that git writes of its packets."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._rest = b""
        self._advertised = False

    def __call__(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._count(line)
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""

    def _count(self, line: bytes) -> None:
        if not self._advertised and _ADVERTISED.match(line):
            self._advertised = True
            self._meter.add(requests=1)
        elif _ASKED.match(line):
            self._meter.add(requests=1)
        elif told := _ANSWERED.match(line):
            self._meter.add(received_bytes=len(told[2]) + _FRAME)
