"""The kept copy: what a sync costs, and that the copy stays small and right."""

import os
from pathlib import Path

import pytest

from marketplaces.git.errors import FetchFailed
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import GitProgram
from skillport.demo.git_host import git
from tests.marketplaces.git.builder import Content, Repository, ask, connect, contents, packs
from tests.marketplaces.git.hosts import Relay

LIMIT = 10_000  # of the fixture `copy`
FETCHED = ["GET info/refs", "POST git-upload-pack"]


def many_files(count: int = 200) -> dict[str, Content]:
    return {f"skills/{number}/SKILL.md": f"Skill {number}\n".encode() * 200 for number in range(count)}


def test_what_a_first_an_unchanged_and_a_changed_sync_cost(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    files = many_files()
    served = ""
    costs = []
    for changed in ({}, {}, {"skills/7/SKILL.md": b"Changed.\n"}, {}):
        files |= changed
        if changed or not served:
            repository.commit(files)
        repository.host.exchanges.clear()
        head = ask(repository.remote, "main")
        if head.commit != served:
            copy.fetch(head.commit, repository.connection)
            served = head.commit
        costs.append(
            (
                len(repository.host.exchanges),
                sum(one.bytes_in + one.bytes_out for one in repository.host.exchanges),
            )
        )
    assert [requests for requests, _ in costs] == [3, 1, 3, 1]
    assert costs[1][1] <= 512
    assert costs[2][1] <= 64 * 1024
    assert contents(program, copy.path, served)[b"skills/7/SKILL.md"] == b"Changed.\n"


def test_the_copy_has_the_announced_commit_and_not_its_history(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    for number in range(3):
        commit = repository.commit({"a": b"%d" % number})
    copy.fetch(commit, repository.connection)
    listed = program.run(copy.path, "log", "--all", "--format=%H").decode().split()
    assert listed == [commit]


@pytest.mark.parametrize("warm", [False, True])
def test_exactly_the_announced_commit_comes_even_when_the_branch_has_moved_on(
    repository: Repository, copy: KeptCopy, program: GitProgram, warm: bool
) -> None:
    if warm:
        copy.fetch(repository.commit({"a": b"0"}), repository.connection)
    announced = repository.commit({"a": b"1"})
    newer = repository.commit({"a": b"2"})
    copy.fetch(announced, repository.connection)
    assert contents(program, copy.path, announced) == {b"a": b"1"}
    assert newer not in program.run(copy.path, "rev-list", "--all").decode()


def test_fetching_what_is_here_already_is_harmless(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit({"a": b"1"})
    for _ in range(3):
        copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"a": b"1"}
    assert packs(copy) <= 3


def test_a_history_that_was_rewritten_is_followed(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    first = repository.commit({"a": b"1"})
    copy.fetch(repository.commit({"a": b"2"}), repository.connection)
    git("update-ref", "refs/heads/main", first, folder=repository.bare)
    rewritten = repository.commit({"a": b"3"})
    copy.fetch(rewritten, repository.connection)
    copy.fetch(first, repository.connection)
    assert contents(program, copy.path, rewritten) == {b"a": b"3"}
    assert contents(program, copy.path, first) == {b"a": b"1"}


def test_a_file_over_the_limit_is_listed_without_its_content(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit({"large": b"x" * LIMIT, "small": b"x" * (LIMIT - 1)})
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"large": None, b"small": b"x" * (LIMIT - 1)}


def test_a_file_that_shrinks_below_the_limit_ends_in_a_cold_fetch_and_the_right_content(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    large = os.urandom(LIMIT + 2000)
    copy.fetch(repository.commit({"a": large, "b": b"1"}), repository.connection)
    repository.requests()
    commit = repository.commit({"a": large[: LIMIT - 1000], "b": b"1"})
    copy.fetch(commit, repository.connection)
    # The host sends a delta against the large file, which is not here: the warm fetch fails and a cold one follows.
    assert repository.requests() == FETCHED * 2
    assert contents(program, copy.path, commit) == {b"a": large[: LIMIT - 1000], b"b": b"1"}
    assert packs(copy) == 1


@pytest.mark.parametrize("limit", [LIMIT * 3, LIMIT // 10])
def test_a_copy_that_was_made_with_another_limit_is_made_anew(
    repository: Repository, copy: KeptCopy, program: GitProgram, tmp_path: Path, limit: int
) -> None:
    commit = repository.commit({"a": b"x" * (LIMIT * 2), "b": b"x" * (LIMIT // 2)})
    copy.fetch(commit, repository.connection)
    changed = KeptCopy(tmp_path / "copies", fence=1, program=program, blob_limit=limit)
    changed.fetch(commit, repository.connection)
    sizes = {
        path: content and len(content) for path, content in contents(program, changed.path, commit).items()
    }
    assert sizes == ({b"a": 20_000, b"b": 5_000} if limit > LIMIT else {b"a": None, b"b": None})
    assert packs(changed) == 1


def test_however_often_it_is_fetched_the_copy_never_has_more_than_51_packs(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    ballast: dict[str, Content] = {f"b{number}": os.urandom(LIMIT - 1) for number in range(3)}
    seen = []
    for number in range(52):
        commit = repository.commit({**ballast, "a": b"%d" % number})
        copy.fetch(commit, repository.connection)
        seen.append(packs(copy))
    assert max(seen) in (50, 51)
    assert seen[-1] < 10
    assert contents(program, copy.path, commit)[b"a"] == b"51"


def test_a_copy_of_more_than_twice_its_first_size_is_made_anew(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    seen = []
    half = os.urandom(LIMIT // 2)
    for _ in range(8):
        commit = repository.commit({"a": (content := os.urandom(LIMIT - 1)), "b": half})
        copy.fetch(commit, repository.connection)
        seen.append(packs(copy))
        assert contents(program, copy.path, commit)[b"a"] == content
        assert sum(file.stat().st_size for file in copy.path.rglob("*.pack")) < 4 * LIMIT
    assert seen == [1, 2, 3, 1, 2, 3, 1, 2]


def test_a_host_without_filters_sends_large_files_and_they_are_listed_with_their_size(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    git("config", "uploadpack.allowFilter", "false", folder=repository.bare)
    large = os.urandom(LIMIT * 3)
    for number in range(2):
        commit = repository.commit({"large": large, "small": b"%d" % number})
        copy.fetch(commit, repository.connection)
        assert contents(program, copy.path, commit) == {b"large": large, b"small": b"%d" % number}
    assert repository.requests() == FETCHED * 2


@pytest.mark.parametrize("spoken", [(b"Git-Protocol", b"Not-Protocol"), (b"version=2", b"version=1")])
def test_a_host_of_an_older_protocol_is_fetched_from(
    repository: Repository, copy: KeptCopy, program: GitProgram, spoken: tuple[bytes, bytes]
) -> None:
    with Relay(repository.url, rewritten=spoken) as relay:
        there = connect(f"{relay.url}/acme/skills.git", repository.credential)
        for number in range(2):
            commit = repository.commit({"a": b"%d" % number, "large": b"x" * LIMIT * 2})
            copy.fetch(commit, there)
            assert contents(program, copy.path, commit) == {b"a": b"%d" % number, b"large": None}


def test_a_host_of_an_older_protocol_whose_branch_has_moved_on_fails_until_it_is_asked_again(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    announced = repository.commit({"a": b"1"})
    newer = repository.commit({"a": b"2"})
    with Relay(repository.url, rewritten=(b"Git-Protocol", b"Not-Protocol")) as relay:
        there = connect(f"{relay.url}/acme/skills.git", repository.credential)
        with pytest.raises(FetchFailed):
            copy.fetch(announced, there)
        copy.fetch(newer, there)
    assert contents(program, copy.path, newer) == {b"a": b"2"}


def test_a_commit_that_the_host_does_not_have_fails_and_leaves_no_copy(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit({"a": b"1"})
    with pytest.raises(FetchFailed):
        copy.fetch("1" * 40, repository.connection)
    assert not copy.path.exists()
    copy.fetch(commit, repository.connection)
    repository.requests()
    with pytest.raises(FetchFailed):
        copy.fetch("1" * 40, repository.connection)
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"a": b"1"}


def test_a_copy_that_was_deleted_is_fetched_cold(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    commit = repository.commit({"a": b"1"})
    copy.delete()
    copy.fetch(commit, repository.connection)
    copy.delete()
    copy.delete()
    copy.fetch(commit, repository.connection)
    assert contents(program, copy.path, commit) == {b"a": b"1"}
