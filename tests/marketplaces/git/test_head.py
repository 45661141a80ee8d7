"""Asking for the newest commit: one small request, to one host, with one answer or one error."""

import pytest

from marketplaces.git.errors import BranchNotFound, CredentialRefused, RepositoryEmpty, RepositoryNotFound
from marketplaces.git.head import Head, Remote
from skillport.demo.git_host import git
from tests.marketplaces.git.builder import Repository, ask
from tests.marketplaces.git.hosts import LISTED, FakeHost, Relay, always


def test_the_default_branch_is_found_by_what_the_host_calls_its_head(repository: Repository) -> None:
    commit = repository.commit({"a": b"1"})
    assert ask(repository.remote) == Head(commit, "main", repository.url)
    repository.commit({"a": b"2"}, branch="trunk")
    git("symbolic-ref", "HEAD", "refs/heads/trunk", folder=repository.bare)
    assert ask(repository.remote).branch == "trunk"


def test_an_existing_branch_costs_one_request_of_at_most_512_bytes(repository: Repository) -> None:
    commit = repository.commit({"a": b"1"})
    for number in range(20):
        repository.commit({"a": b"%d" % number}, branch=f"feature/{number}")
    for branch in ("", "main"):
        repository.host.exchanges.clear()
        assert ask(repository.remote, branch).commit == commit
        (exchange,) = repository.host.exchanges
        assert exchange.bytes_in + exchange.bytes_out <= 512


def test_a_branch_whose_name_begins_like_anothers_is_not_mistaken_for_it(repository: Repository) -> None:
    main = repository.commit({"a": b"1"})
    longer = repository.commit({"a": b"2"}, branch="main2")
    deeper = repository.commit({"a": b"3"}, branch="release/main")
    assert ask(repository.remote, "main") == Head(main, "main", repository.url)
    assert ask(repository.remote, "main2").commit == longer
    assert ask(repository.remote, "release/main").commit == deeper
    with pytest.raises(BranchNotFound):
        ask(repository.remote, "mai")


def test_a_detached_head_has_a_commit_and_no_branch(repository: Repository) -> None:
    commit = repository.commit({"a": b"1"})
    git("update-ref", "--no-deref", "HEAD", commit, folder=repository.bare)
    assert ask(repository.remote) == Head(commit, "", repository.url)


def test_a_repository_without_a_commit_and_a_branch_that_is_missing_are_told_apart(
    repository: Repository,
) -> None:
    with pytest.raises(RepositoryEmpty):
        ask(repository.remote)
    repository.commit({"a": b"1"})
    with pytest.raises(BranchNotFound):
        ask(repository.remote, "gone")


@pytest.mark.parametrize("credential", ["", "wrong"])
def test_a_credential_that_the_host_does_not_know_is_refused(repository: Repository, credential: str) -> None:
    repository.commit({"a": b"1"})
    with pytest.raises(CredentialRefused):
        ask(Remote(repository.url, credential=credential))


def test_a_repository_that_vanished_behind_its_token_is_not_found(repository: Repository) -> None:
    repository.bare.rename(repository.bare.with_name("elsewhere.git"))
    with pytest.raises(RepositoryNotFound):
        ask(repository.remote)


def test_a_name_that_the_admin_gave_goes_with_the_credential() -> None:
    with FakeHost(always(body=LISTED + b"0000")) as host:
        ask(Remote(host.url, "deploy", "a-secret"))
        ask(Remote(host.url, credential="a-secret"))
        ask(Remote(host.url))
    said = [request.headers.get("authorization") for request in host.requests]
    assert said == ["Basic ZGVwbG95OmEtc2VjcmV0", "Basic eC1hY2Nlc3MtdG9rZW46YS1zZWNyZXQ=", None]


OLDER = (b"Git-Protocol", b"Not-Protocol")


def test_a_host_of_the_older_protocol_is_asked_for_all_of_its_branches(repository: Repository) -> None:
    main = repository.commit({"a": b"1"})
    other = repository.commit({"a": b"2"}, branch="release/2")
    with Relay(repository.url, rewritten=OLDER) as relay:
        remote = Remote(f"{relay.url}/acme/skills.git", credential=repository.credential)
        assert ask(remote) == Head(main, "main", remote.url)
        assert ask(remote, "release/2") == Head(other, "release/2", remote.url)
        with pytest.raises(BranchNotFound):
            ask(remote, "release")
        with pytest.raises(CredentialRefused):
            ask(Remote(remote.url, credential="wrong"))
    assert repository.requests() == ["POST git-upload-pack", "GET info/refs"] * 3 + ["POST git-upload-pack"]


def test_an_empty_repository_of_the_older_protocol_is_told_as_such(repository: Repository) -> None:
    with Relay(repository.url, rewritten=OLDER) as relay, pytest.raises(RepositoryEmpty):
        ask(Remote(f"{relay.url}/acme/skills.git", credential=repository.credential))
