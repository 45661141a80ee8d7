"""Hosts that misbehave, on loopback: one that answers as it is told, and one that passes on to the real host."""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final, TypeAlias

from skillport.outbound import Origin

PATIENCE_SECONDS: Final = 20
ADVERTISEMENT: Final = "application/x-git-upload-pack-advertisement"
RESULT: Final = "application/x-git-upload-pack-result"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reset(Exception):
    """Raised by an answer: the connection is reset."""


Answers: TypeAlias = Callable[[Request], Iterable[bytes]]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def finish_request(self, request: object, _: object) -> None:
        assert isinstance(request, socket.socket)
        with contextlib.suppress(OSError):
            self._handle(request)

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class FakeHost:
    """Answers every request with the bytes that `answers` gives for it, one per connection; silent without it."""

    def __init__(self, answers: Answers | None = None) -> None:
        self.requests: list[Request] = []
        self.asked = threading.Event()
        self._ended = threading.Event()
        self._answers = answers or self._silence
        self._server = _Server(self._serve)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeHost":
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.end()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            request = _read(lines)
        if request is None:
            return
        self.requests.append(request)
        self.asked.set()
        try:
            for chunk in self._answers(request):
                connection.sendall(chunk)
        except Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def _silence(self, _: Request) -> Iterator[bytes]:
        self._ended.wait(PATIENCE_SECONDS)
        yield b""


def _read(lines: IO[bytes]) -> Request | None:
    first = lines.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := lines.readline().strip():
        name, _, value = line.decode("latin-1").partition(": ")
        headers[name.lower()] = value
    return Request(first[0], first[1], headers, lines.read(int(headers.get("content-length", "0"))))


def answer(status: int = 200, body: bytes = b"", content_type: str = RESULT, **headers: str) -> list[bytes]:
    """Give a whole HTTP answer; `retry_after="3"` becomes the header Retry-After."""
    named = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return [f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body]


def always(*args: object, **kwargs: object) -> Answers:
    said = answer(*args, **kwargs)  # type: ignore[arg-type]
    return lambda _: said


def packet(line: bytes) -> bytes:
    return b"%04x" % (len(line) + 4) + line


COMMIT: Final = "1" * 40
LISTED: Final = packet(f"{COMMIT} HEAD symref-target:refs/heads/main\n".encode()) + packet(
    f"{COMMIT} refs/heads/main\n".encode()
)


def speaking_v2(fetched: Iterable[bytes]) -> Answers:
    """Answer as a host of protocol version 2, until it is asked for a pack: then with `fetched`."""
    lines = (b"version 2\n", b"ls-refs\n", b"fetch=shallow filter\n", b"object-format=sha1\n")
    opening = packet(b"# service=git-upload-pack\n") + b"0000" + b"".join(map(packet, lines)) + b"0000"

    def answers(request: Request) -> Iterator[bytes]:
        if request.method == "GET":
            yield from answer(body=opening, content_type=ADVERTISEMENT)
        else:
            yield f"HTTP/1.1 200 OK\r\nContent-Type: {RESULT}\r\nConnection: close\r\n\r\n".encode()
            yield from fetched

    return answers


class Relay:
    """Passes connections on to a host, holding back what the host says after its first `hold_after` bytes."""

    def __init__(
        self, url: str, *, hold_after: int | None = None, rewritten: tuple[bytes, bytes] = (b"", b"")
    ) -> None:
        self.held = threading.Event()
        self.released = threading.Event()
        self._hold_after = hold_after
        self._rewritten = rewritten
        self._passed = 0
        self._origin = Origin.parse(url)
        self._server = _Server(self._pass_on)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.end()

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection((self._origin.host, self._origin.port)) as host:
            answers = threading.Thread(target=self._pass_back, args=(host, client), daemon=True)
            answers.start()
            while said := client.recv(65536):
                host.sendall(said.replace(*self._rewritten) if self._rewritten[0] else said)
            host.shutdown(socket.SHUT_WR)
            answers.join(PATIENCE_SECONDS)

    def _pass_back(self, host: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := host.recv(1024):
                self._passed += len(said)
                if self._hold_after is not None and self._passed > self._hold_after:
                    self.held.set()
                    self.released.wait(PATIENCE_SECONDS)
                client.sendall(said)
            client.shutdown(socket.SHUT_WR)
