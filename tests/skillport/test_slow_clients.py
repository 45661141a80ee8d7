"""Clients that send or read slowly, or never end, on the real server: they hold up nobody but themselves."""

import contextlib
import random

import httpx2
import pytest
from django.conf import settings

from connector.install.install_tokens import issue_install_token
from marketplaces.services.worker import Worker
from skillport import bodies
from tests.cast import Cast, key_of, make_cast
from tests.half_open import client, waiting_for_bodies
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository
from tests.running import Running

MANY = 3 * settings.DATABASE_CONNECTIONS
PORT = settings.SERVER_PORT


def answers_to_others(http: httpx2.Client) -> list[int]:
    """Ask as other people do, who wait less long than the server waits for a body."""
    statuses = [http.get(path, timeout=15).status_code for path in ("/", "/livez", "/readyz", "/install.sh")]
    return [*statuses, http.post("/api/v1/install/redeem", json={"token": "unknown"}, timeout=15).status_code]


def test_requests_whose_body_never_comes_hold_up_nobody(http: httpx2.Client) -> None:
    with waiting_for_bodies(PORT, MANY):
        assert answers_to_others(http) == [200, 200, 200, 200, 404]


def test_requests_whose_answer_is_never_read_hold_up_nobody(
    http: httpx2.Client, new_repository: NewRepository, worker: Worker
) -> None:
    noise = random.Random(7)
    large = {f"plugins/tools/skills/hello/assets/{n}.bin": noise.randbytes(1_000_000) for n in range(4)}
    cast = make_cast()
    publish(cast.alice, new_repository({**SMALL, **large}), worker)
    with contextlib.ExitStack() as stack:
        for _ in range(settings.DATABASE_CONNECTIONS):
            secret = issue_install_token(principal=cast.bob, name="hello").plain_secret
            reader = stack.enter_context(client(PORT, receive_bytes=4096))
            reader.begin(f"GET /api/install/{secret}")
            assert reader.head()[0] == 200  # and never reads on
        assert answers_to_others(http) == [200, 200, 200, 200, 404]


@pytest.mark.parametrize("path", ["/api/v1/install/redeem", "/acme/mcp"])
class TestABody:
    @pytest.fixture
    def cast(self, live: Running) -> Cast:  # noqa: ARG002 the server, and tables to write to
        return make_cast()

    def headers(self, cast: Cast) -> tuple[str, ...]:
        return (f"Authorization: Bearer {key_of(cast.bob)}", "Accept: application/json, text/event-stream")

    def test_that_is_announced_too_large_is_refused_before_it_is_sent(self, cast: Cast, path: str) -> None:
        with client(PORT) as sender:
            sender.begin(f"POST {path}", *self.headers(cast), "Content-Length: 4194305")
            status, _, told = sender.answer()
        assert (status, told["error"]["code"]) == (413, "body_too_large")

    def test_that_never_ends_is_refused_as_soon_as_it_is_too_large(self, cast: Cast, path: str) -> None:
        with client(PORT) as sender:
            sender.begin(f"POST {path}", *self.headers(cast), "Transfer-Encoding: chunked")
            for _ in range(5):
                sender.socket.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            status, _, told = sender.answer()
        assert (status, told["error"]["code"]) == (413, "body_too_large")

    def test_that_comes_too_slowly_is_refused(
        self, cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "DEADLINE_SECONDS", 0.2)
        with client(PORT) as sender:
            sender.begin(f"POST {path}", *self.headers(cast), "Content-Length: 100")
            sender.socket.sendall(b"{")
            status, headers, told = sender.answer()
            assert (status, told["error"]["code"]) == (408, "body_too_slow")
            assert headers["connection"] == "close"
            assert sender.incoming.read() == b"", "the server hangs up"

    def test_in_pieces_is_read_whole(self, cast: Cast, path: str) -> None:
        """The twin: slowness alone is no fault."""
        with client(PORT) as sender:
            sender.begin(f"POST {path}", *self.headers(cast), "Transfer-Encoding: chunked")
            for piece in ('{"token": ', '"unknown", "jsonrpc": "2.0", ', '"id": 1, "method": "ping"}'):
                sender.socket.sendall(f"{len(piece):x}\r\n{piece}\r\n".encode())
            sender.socket.sendall(b"0\r\n\r\n")
            status, _, told = sender.answer()
        assert (status, told.get("error", {}).get("code")) in {(404, "install_token_unknown"), (200, None)}
