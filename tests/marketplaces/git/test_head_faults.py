"""Whatever a host answers, asking it ends soon, with a commit id or with an error of ours."""

import socket
from collections.abc import Iterator
from typing import NoReturn

import pytest

from marketplaces.git import head as head_module
from marketplaces.git.errors import (
    BranchNotFound,
    CredentialRefused,
    NotAGitHost,
    RateLimited,
    RepositoryEmpty,
    RepositoryError,
    RepositoryNotFound,
)
from marketplaces.git.head import Head, NoProtocolV2, Remote
from skillport.outbound import HostUnreachable
from tests.marketplaces.git.builder import ask
from tests.marketplaces.git.hosts import (
    LISTED,
    Answers,
    FakeHost,
    Request,
    Reset,
    always,
    answer,
    packet,
)
from tests.marketplaces.git.watching import SOON, at_most
from tests.ports import nobodys_port

WHOLE = LISTED + b"0000"


def ask_one_that(answers: Answers, branch: str = "") -> Head:
    with FakeHost(answers) as host:
        return ask(Remote(f"{host.url}/acme/skills", credential="a-secret"), branch)


def _dripping(request: Request) -> Iterator[bytes]:
    yield from answer(body=WHOLE)[0].split(b"\r\n", 1)[:1]
    while True:
        yield b"\r\nX-Drip: 1"


def _resetting(_: Request) -> NoReturn:
    raise Reset


def _resetting_midway(_: Request) -> Iterator[bytes]:
    yield answer(body=WHOLE)[0][:-10]
    raise Reset


def _endless(_: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n\r\n"
    while True:
        yield LISTED * 500


BROKEN: dict[str, Answers] = {
    "resets": _resetting,
    "resets midway": _resetting_midway,
    "breaks off": lambda _: [answer(body=WHOLE)[0][:-10]],
    "says nothing at all": lambda _: [],
    "speaks no HTTP": lambda _: [b"220 mail.example ESMTP\r\n"],
    "never ends its header": _dripping,
    "never ends its body": _endless,
}


@pytest.mark.parametrize("answers", BROKEN.values(), ids=BROKEN)
def test_a_host_that_breaks_off_or_never_ends_is_unreachable(answers: Answers) -> None:
    with at_most(SOON), pytest.raises(HostUnreachable):
        ask_one_that(answers)


def test_a_silent_host_is_given_up_when_the_deadline_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "_DEADLINE_SECONDS", 2)
    with FakeHost() as host:
        with at_most(SOON), pytest.raises(HostUnreachable):
            ask(Remote(host.url))
        assert host.asked.wait(SOON)
    assert len(host.requests) == 1


def test_a_host_that_is_down_or_takes_no_connection_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "_DEADLINE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address), at_most(SOON), pytest.raises(HostUnreachable):
            ask(Remote(f"http://127.0.0.1:{address[1]}/x"))
    with nobodys_port() as port, at_most(SOON), pytest.raises(HostUnreachable):
        ask(Remote(f"http://127.0.0.1:{port}/x"))


STATUSES: dict[str, tuple[Answers, type[RepositoryError]]] = {
    "401": (always(401), CredentialRefused),
    "403": (always(403), CredentialRefused),
    "403 with a pause": (always(403, Retry_After="7"), RateLimited),
    "404": (always(404), RepositoryNotFound),
    "429": (always(429), RateLimited),
    "503 with a pause": (always(503, Retry_After="7"), RateLimited),
    "503": (always(503), RepositoryError),
    "500": (always(500), RepositoryError),
    "418": (always(418), RepositoryError),
    "204": (always(204), RepositoryError),
    "a page": (always(200, b"<html>Welcome", content_type="text/html"), NotAGitHost),
    "a page that calls itself nothing": (always(200, WHOLE, content_type=""), NotAGitHost),
}


@pytest.mark.parametrize(("answers", "error"), STATUSES.values(), ids=STATUSES)
def test_each_refusal_says_what_to_do_about_it(answers: Answers, error: type[RepositoryError]) -> None:
    with pytest.raises(RepositoryError) as caught:
        ask_one_that(answers)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("asked", "seconds"), [("120", 120), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-3", None), ("1.5", None), ("", None)]
)  # fmt: skip
def test_a_pause_is_taken_over_in_seconds_or_left_to_us(asked: str, seconds: int | None) -> None:
    with pytest.raises(RateLimited) as caught:
        ask_one_that(always(429, Retry_After=asked))
    assert caught.value.retry_after_seconds == seconds


# `str.isdigit` is true of "²", and Python reads at most 4,300 digits: both end as ValueError, which no door translates.
@pytest.mark.parametrize("asked", ["\u00b2", "9" * 5000])
def test_a_pause_that_is_no_sensible_number_is_left_to_us(asked: str) -> None:
    with pytest.raises(RateLimited) as caught:
        ask_one_that(always(429, Retry_After=asked))
    assert caught.value.retry_after_seconds is None


# A pause of 10^12 s puts the next poll after the year 9999: PostgreSQL stores that, and Python cannot read it back.
def test_a_pause_is_never_longer_than_a_day() -> None:
    with pytest.raises(RateLimited) as caught:
        ask_one_that(always(429, Retry_After="999999999999"))
    assert (caught.value.retry_after_seconds or 0) <= 86_400


# A host that also says when to come back is taken for one that is merely down, and the admin is not told.
def test_a_refused_credential_is_told_as_such_even_with_a_pause() -> None:
    with pytest.raises(CredentialRefused):
        ask_one_that(always(401, Retry_After="7"))


@pytest.mark.parametrize(
    "length", [0, 3, 4, 40, len(LISTED) // 2, len(LISTED) - 1, len(LISTED), len(WHOLE) - 1]
)
def test_an_answer_that_is_cut_is_never_taken_for_a_whole_one(length: int) -> None:
    with pytest.raises(NoProtocolV2):
        ask_one_that(always(body=WHOLE[:length]), "main")


GARBAGE = {
    "no numbers": b"zzzz" + LISTED,
    "a number below four": b"0003" + LISTED,
    "the delimiter": b"0001" + LISTED,
    "a length past the end": b"ffff" + LISTED,
    "zeros only": b"0" * 3,
    "nothing": b"",
    "bytes": bytes(range(256)),
    "a refusal": packet(b"ERR access denied"),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_list_of_branches_is_told_as_another_protocol(body: bytes) -> None:
    with at_most(SOON), pytest.raises(NoProtocolV2):
        ask_one_that(always(body=body))


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_neither_is_garbage_in_the_older_protocol(body: bytes) -> None:
    def answers(request: Request) -> Iterator[bytes]:
        kind = "advertisement" if request.method == "GET" else "result"
        yield from answer(body=body, content_type=f"application/x-git-upload-pack-{kind}")

    with at_most(SOON), pytest.raises(NoProtocolV2):
        ask_one_that(answers)


# A length may be negative ("-009" is a number to Python), so a list that leads back to its beginning is read for ever.
@pytest.mark.parametrize(
    "body",
    [
        b"0009xxxxx-009",
        b"0009xxxxx-005",
        b"-001",
        b"+009xxxxx0000",
        b"0x09xxxxx0000",
        b"1_0 xxxxxxxxxxxx0000",
    ],
)
def test_a_length_is_four_hexadecimal_digits_and_nothing_else(body: bytes) -> None:
    with at_most(SOON), pytest.raises(NoProtocolV2):
        ask_one_that(always(body=body))


@pytest.mark.parametrize("commit", [b"", b"unborn", b"1" * 39, b"1" * 41, b"G" * 40, b"-" * 40, b"\xff" * 40])
def test_what_is_no_commit_id_is_never_given_as_one(commit: bytes) -> None:
    with pytest.raises((BranchNotFound, RepositoryEmpty)):
        ask_one_that(always(body=packet(commit + b" refs/heads/main\n") + b"0000"), "main")
