"""A redirect is read, never followed, but for the one that adds `.git`; and the credential stays where it belongs."""

import logging
import traceback
from collections.abc import Iterator

import pytest

from marketplaces.git.errors import RepositoryError, RepositoryMoved
from marketplaces.git.head import Head, Remote, ask_head
from skillport.errors import SkillportError
from tests.marketplaces.git.builder import Repository, allowing, ask
from tests.marketplaces.git.hosts import LISTED, FakeHost, Request, always, answer, packet

SECRET = "a-secret-that-nobody-may-see"


def pointing(location: str, status: int = 301) -> Iterator[bytes]:
    yield from answer(status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_only_adds_git_is_followed_once_and_reported(status: int) -> None:
    def answers(request: Request) -> Iterator[bytes]:
        if request.path == "/acme/skills.git/git-upload-pack":
            yield from answer(body=LISTED + b"0000")
        else:
            yield from pointing("/acme/skills.git/git-upload-pack", status)

    with FakeHost(answers) as host:
        assert ask(Remote(f"{host.url}/acme/skills", credential=SECRET)) == Head(
            "1" * 40, "main", f"{host.url}/acme/skills.git"
        )
    assert [(one.method, one.path) for one in host.requests] == [
        ("POST", "/acme/skills/git-upload-pack"),
        ("POST", "/acme/skills.git/git-upload-pack"),
    ]
    assert len({one.headers["authorization"] for one in host.requests}) == 1


def test_a_second_redirect_is_not_followed() -> None:
    def answers(request: Request) -> Iterator[bytes]:
        yield from pointing(request.path.replace("/git-upload-pack", ".git/git-upload-pack"))

    with FakeHost(answers) as host, pytest.raises(RepositoryMoved) as caught:
        ask(Remote(f"{host.url}/acme/skills"))
    assert caught.value.location == f"{host.url}/acme/skills.git.git"
    assert len(host.requests) == 2


ELSEWHERE = {
    "another host": "{other}/acme/skills.git/git-upload-pack",
    "another host, the same path": "{other}/acme/skills/git-upload-pack",
    "another host, without a scheme": "//{other_netloc}/acme/skills.git/git-upload-pack",
    "another scheme": "https://{own_netloc}/acme/skills.git/git-upload-pack",
    "a scheme of git's own": "ext::sh -c true",
    "a file": "file:///etc/passwd",
    "another path": "/acme/renamed.git/git-upload-pack",
    "the same address": "/acme/skills/git-upload-pack",
    "a longer path": "/acme/skills.git/../other.git/git-upload-pack",
    "a query": "/acme/skills.git/git-upload-pack?to=me",
    "a user": "http://me@{own_netloc}/acme/skills.git/git-upload-pack",
    "a name that begins alike": "http://{own_netloc}.{other_netloc}/acme/skills.git/git-upload-pack",
    "a login page": "/login",
    "nothing": "",
}


@pytest.mark.parametrize("location", ELSEWHERE.values(), ids=ELSEWHERE)
def test_any_other_redirect_is_told_and_nobody_else_is_asked(location: str) -> None:
    with FakeHost(always(body=LISTED + b"0000")) as other, FakeHost(lambda _: pointing(said)) as host:
        said = location.format(
            other=other.url,
            other_netloc=other.url.removeprefix("http://"),
            own_netloc=host.url.removeprefix("http://"),
        )
        remote = Remote(f"{host.url}/acme/skills", credential=SECRET)
        # Even an operator who allowed both hosts did not allow the one to hand our credential to the other.
        outbound = allowing(host.url)
        both = type(outbound)(outbound.allowed_origins | allowing(other.url).allowed_origins)
        with pytest.raises(RepositoryMoved) as caught:
            ask_head(remote, "", both)
    assert SECRET not in caught.value.location
    assert other.requests == []
    assert len(host.requests) == 1


# A location that is no address ends as ValueError, which no door translates. See the report: `urljoin` may raise.
@pytest.mark.parametrize("location", ["http://[", "http://[::1/x", "//[bad]/x"])
def test_a_redirect_to_no_address_at_all_is_an_error_of_ours(location: str) -> None:
    with FakeHost(lambda _: pointing(location)) as host, pytest.raises(RepositoryError):
        ask(Remote(f"{host.url}/acme/skills"))


def test_no_error_and_no_log_shows_the_credential(caplog: pytest.LogCaptureFixture) -> None:
    def echoing(status: int, request: Request) -> Iterator[bytes]:
        told = request.headers["authorization"]
        yield from answer(
            status,
            packet(f"ERR you said {told} {SECRET}".encode()) + b"0000",
            Location=f"/{SECRET}",
            X_Said=told,
        )

    caplog.set_level(logging.DEBUG)
    for status in (200, 302, 401, 403, 404, 429, 500):
        with FakeHost(lambda request, status=status: echoing(status, request)) as host:  # type: ignore[misc]
            remote = Remote(host.url, credential=SECRET)
            with pytest.raises(SkillportError) as caught:
                ask(remote)
        secrets = (SECRET, str(remote.authorization))
        shown = [
            str(caught.value),
            repr(caught.value),
            "".join(traceback.format_exception(caught.value)),
            repr(remote),
        ]
        shown += [str(vars(record)) for record in caplog.records]
        assert not [text for text in shown for secret in secrets if secret in text]


def test_a_refused_credential_is_not_in_the_error(repository: Repository) -> None:
    remote = Remote(repository.url, "somebody", SECRET)
    with pytest.raises(SkillportError) as caught:
        ask(remote)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(
        caught.value.as_json()
    )
