"""A git host that announces a commit and then never delivers it: a sync is under way for as long as one likes."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_COMMIT = b"1" * 40


class _Handler(http.server.BaseHTTPRequestHandler):
    ended: threading.Event
    asked: threading.Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        line = _COMMIT + b" HEAD symref-target:refs/heads/main\n"
        body = b"%04x" % (len(line) + 4) + line + b"0000"
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.asked.set()
        self.ended.wait(60)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def slow_host() -> Iterator[tuple[str, threading.Event]]:
    """Give the host's address, and an event that tells when git has begun to wait for it."""
    ended, asked = threading.Event(), threading.Event()
    handler = type("Handler", (_Handler,), {"ended": ended, "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/never.git", asked
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
