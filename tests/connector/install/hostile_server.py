"""A server on loopback that answers exactly as it is told, and the archives it sends, honest or not."""

import gzip
import hashlib
import itertools
import json
import ssl
import tarfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "pdf-tools"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One archive member. `path` is written as it is, whatever its bytes."""

    path: bytes
    content: bytes = b""
    mode: int = 0o644
    kind: bytes = tarfile.REGTYPE
    link: str = ""


SKILL_MD = Member(path=b"SKILL.md", content=b"# PDF tools\n")


def tar(members: Iterable[Member]) -> bytes:
    """Write the paths as pax records, which can hold any byte."""
    blocks = bytearray()
    for member in members:
        record = b" path=%s\n" % member.path
        length = next(n for n in itertools.count(len(record)) if n == len(b"%d" % n) + len(record))
        blocks += entry("pax", b"%d%s" % (length, record), kind=tarfile.XHDTYPE)
        blocks += entry("member", member.content, kind=member.kind, mode=member.mode, link=member.link)
    return bytes(blocks) + bytes(1024)


def entry(name: str, content: bytes, *, kind: bytes, mode: int = 0o644, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def packed(tar_bytes: bytes) -> bytes:
    return gzip.compress(tar_bytes, compresslevel=1, mtime=0)


def release_digest(members: Iterable[Member]) -> str:
    """Say independently of the installer what a release's digest is."""
    lines = (
        b"%s %s %s\n"
        % (
            b"100755" if member.mode & 0o100 else b"100644",
            hashlib.sha256(member.content).hexdigest().encode(),
            member.path,
        )
        for member in sorted(members, key=lambda member: member.path)
    )
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to send, and how: `cut_at` breaks the connection after so many bytes of the body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None
    endless: bool = False  # the body again and again, its length never announced
    held: bool = False  # the connection stays open afterwards, until the client hangs up
    raw: bytes | None = None  # this instead of an HTTP answer


def answer_with(
    body: bytes, *, name: str = NAME, version: str = "1.0.0", digest: str = "sha256:" + "0" * 64
) -> Answer:
    headers = {
        "Content-Type": "application/gzip",
        "X-Skillport-Skill": name,
        "X-Skillport-Plugin": "office",
        "X-Skillport-Version": version,
        "X-Skillport-Digest": digest,
    }
    return Answer(headers=headers, body=body)


def bundle(*members: Member, name: str = NAME, version: str = "1.0.0") -> Answer:
    """Answer with these files, and with their true digest, so that only what is wrong with them can be refused."""
    return answer_with(packed(tar(members)), name=name, version=version, digest=release_digest(members))


def error(status: int, message: object, **headers: str) -> Answer:
    body = json.dumps({"error": {"code": "told_so", "message": message}}).encode()
    return Answer(status=status, headers={"Content-Type": "application/json", **headers}, body=body)


@dataclass
class HostileServer:
    """Gives its answers in turn, the last one for ever; keeps what it was asked."""

    url: str
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # (request line, JSON body)
    meanwhile: Callable[[], object] = lambda: None  # called while the client waits for the rest of the body

    def will_answer(self, *answers: Answer) -> None:
        self.answers = deque(answers)

    def next_answer(self) -> Answer:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(certificate: ssl.SSLContext | None = None) -> Iterator[HostileServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            hostile.asked.append((self.requestline, json.loads(sent)))
            with suppress(ConnectionError):  # clients that have seen enough hang up
                self.send(hostile.next_answer())
            self.close_connection = True

        def do_GET(self) -> None:
            hostile.asked.append((self.requestline, {}))
            self.send(hostile.next_answer())

        def send(self, answer: Answer) -> None:
            if answer.raw is not None:
                hostile.meanwhile()
                self.wfile.write(answer.raw)
                return
            self.send_response(answer.status)
            if not answer.endless and "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            body = answer.body[: answer.cut_at]
            self.wfile.write(body[:100])
            hostile.meanwhile()
            self.wfile.write(body[100:])
            while answer.endless:
                self.wfile.write(body)
            if answer.held:
                self.rfile.read()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name is http.server's
            pass

    class QuietServer(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # broken connections are what these tests are about

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        if certificate:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
        hostile = HostileServer(url=f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()
