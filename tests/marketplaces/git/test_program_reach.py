"""Where git goes: to the address that was checked and nowhere else, whatever the host or the repository says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplaces.git.commit import list_files
from marketplaces.git.errors import FetchFailed
from marketplaces.git.head import Remote
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection, GitProgram
from skillport.demo.git_host import git
from skillport.outbound import Destination, Origin
from tests.marketplaces.git.builder import Content, Link, Program, Repository, Submodule, connect
from tests.marketplaces.git.hosts import COMMIT, FakeHost, Request, always, answer, speaking_v2


def pinned(repository: Repository, name: str, address: str) -> Connection:
    """Give the way to the real host by another name, with the address that the name was checked to have."""
    url = repository.url.replace("127.0.0.1", name)
    return Connection(
        Remote(url, credential=repository.credential), Destination(url, Origin.parse(url), (address,))
    )


@pytest.mark.parametrize("name", ["git.invalid", "GIT.Invalid", "git.invalid."])
def test_git_connects_to_the_checked_address_whatever_the_name_says_by_now(
    repository: Repository, copy: KeptCopy, program: GitProgram, name: str
) -> None:
    commit = repository.commit({"a": b"1"})
    copy.fetch(commit, pinned(repository, name, "127.0.0.1"))
    (entry,) = list_files(program, copy.path, commit, max_entries=10, max_bytes=10)
    assert entry.path == b"a"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "localhost."])
def test_git_does_not_connect_to_what_the_name_says_when_another_address_was_checked(
    repository: Repository, copy: KeptCopy, name: str
) -> None:
    commit = repository.commit({"a": b"1"})
    with pytest.raises(FetchFailed):
        copy.fetch(commit, pinned(repository, name, "127.0.0.2"))
    assert repository.requests() == []


def test_a_name_is_pinned_for_its_port_only(repository: Repository, copy: KeptCopy) -> None:
    commit = repository.commit({"a": b"1"})
    there = pinned(repository, "git.invalid", "127.0.0.1")
    origin = Origin(there.destination.origin.scheme, there.destination.origin.host, 1)
    with pytest.raises(FetchFailed):
        copy.fetch(commit, Connection(there.remote, Destination(there.remote.url, origin, ("127.0.0.1",))))
    assert repository.requests() == []


def test_a_proxy_of_the_environment_is_not_asked(
    repository: Repository, copy: KeptCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"a": b"1"})
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeHost(always(502)) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        copy.fetch(commit, repository.connection)
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 301), ("GET", 302), ("GET", 307), ("GET", 308), ("POST", 302), ("POST", 307)],
)
def test_git_follows_no_redirect(copy: KeptCopy, method: str, status: int) -> None:
    with FakeHost(always(404)) as other:

        def answers(request: Request) -> Iterator[bytes]:
            if request.method == method:
                yield from answer(status, Location=other.url + request.path)
            else:
                yield from speaking_v2([])(request)

        with FakeHost(answers) as host, pytest.raises(FetchFailed):
            copy.fetch(COMMIT, connect(f"{host.url}/acme/skills.git", "a-secret"))
    assert [request.method for request in host.requests] == ["GET", "POST"][: 1 + (method == "POST")]
    assert other.requests == []


def test_a_host_without_git_cannot_lead_it_to_another_one(copy: KeptCopy) -> None:
    with FakeHost(always(404)) as other:

        def answers(request: Request) -> Iterator[bytes]:
            if "/info/refs" in request.path:
                yield from answer(body=f"{COMMIT}\trefs/heads/main\n".encode(), content_type="text/plain")
            elif "alternates" in request.path:
                yield from answer(body=f"{other.url}/other.git/objects\n".encode(), content_type="text/plain")
            else:
                yield from answer(404)

        with FakeHost(answers) as host, pytest.raises(FetchFailed):
            copy.fetch(COMMIT, connect(f"{host.url}/acme/skills.git", "a-secret"))
    assert host.requests
    assert other.requests == []


@pytest.mark.parametrize("scheme", ["file://", "ext::sh -c 'touch {marker}' ", "git://", "ssh://"])
def test_git_speaks_no_protocol_but_the_checked_one(
    repository: Repository, copy: KeptCopy, tmp_path: Path, scheme: str
) -> None:
    commit = repository.commit({"a": b"1"})
    marker = tmp_path / "ran"
    url = scheme.format(marker=marker) + str(repository.bare)
    with pytest.raises(FetchFailed):
        copy.fetch(commit, Connection(Remote(url), repository.connection.destination))
    assert not marker.exists()
    assert list((copy.path / "objects" / "pack").glob("*.pack")) == []


def test_hooks_submodules_filters_and_settings_in_a_repository_do_nothing(
    repository: Repository, copy: KeptCopy, program: GitProgram, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    script = Program(f"#!/bin/sh\ntouch {marker}\n".encode())
    with FakeHost(always(404)) as other:
        files: dict[str, Content] = {
            ".gitmodules": f'[submodule "s"]\n\tpath = s\n\turl = {other.url}/s.git\n\tupdate = !touch {marker}\n'.encode(),
            "s": Submodule(COMMIT),
            ".gitattributes": b"* filter=run diff=run\n",
            ".gitconfig": f"[core]\n\tfsmonitor = touch {marker}\n".encode(),
            ".lfsconfig": f"[lfs]\n\turl = {other.url}\n".encode(),
            "hooks/post-checkout": script,
            "hooks/reference-transaction": script,
            "objects/info/alternates": str(repository.bare / "objects").encode(),
            "link": Link(b"/etc/passwd"),
        }
        commit = repository.commit(files)
        copy.fetch(commit, repository.connection)
        listed = {
            entry.path for entry in list_files(program, copy.path, commit, max_entries=99, max_bytes=9999)
        }
    assert listed == {name.encode() for name in files}
    assert other.requests == []
    assert not marker.exists()
    assert not (copy.path / "objects" / "info" / "alternates").exists()


def test_a_hook_that_found_its_way_into_the_copy_is_not_run(
    repository: Repository, copy: KeptCopy, tmp_path: Path
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    marker = tmp_path / "ran"
    for name in ("reference-transaction", "post-fetch", "pre-auto-gc", "fsmonitor-watchman"):
        hook = copy.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
        hook.chmod(0o755)
    copy.fetch(repository.commit({"a": b"2"}), repository.connection)
    assert not marker.exists()


def test_a_large_file_that_was_left_out_is_never_fetched_afterwards(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit({"big": b"x" * 20_000})
    copy.fetch(commit, repository.connection)
    (entry,) = list_files(program, copy.path, commit, max_entries=9, max_bytes=99)
    repository.requests()
    with pytest.raises(FetchFailed):
        program.run(copy.path, "cat-file", "blob", entry.git_id, connection=repository.connection)
    assert repository.requests() == []


def test_without_a_connection_git_reaches_no_host(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    repository.requests()
    with pytest.raises(FetchFailed):
        program.run(copy.path, "ls-remote", repository.url)
    assert repository.requests() == []


# git looks for a repository upwards: in a damaged copy inside somebody's checkout it found theirs, and fetched into it.
def test_git_never_works_on_a_repository_around_the_copy(
    repository: Repository, tmp_path: Path, program: GitProgram
) -> None:
    around = tmp_path / "checkout"
    git("init", "--quiet", str(around))
    copy = KeptCopy(around / "copies", fence=1, program=program, blob_limit=10_000)
    copy.fetch(repository.commit({"a": b"1"}), repository.connection)
    (copy.path / "HEAD").unlink()
    commit = repository.commit({"a": b"2"})
    copy.fetch(commit, repository.connection)
    assert git("for-each-ref", folder=around) == ""
    (entry,) = list_files(program, copy.path, commit, max_entries=9, max_bytes=99)
    assert entry.path == b"a"


def test_an_ipv6_address_is_pinned_too(repository: Repository, copy: KeptCopy) -> None:
    with pytest.raises(FetchFailed):
        copy.fetch(repository.commit({"a": b"1"}), pinned(repository, "localhost", "::1"))
    assert repository.requests() == []
