"""git, confined: what it is given, where it may go, and how it ends."""

import contextlib
import logging
import os
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from marketplaces.git import program as program_module
from marketplaces.git.commit import BlobReader, list_files
from marketplaces.git.errors import FetchFailed, GitStopped, RepositoryError, RepositoryTooLarge
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import GitProgram
from skillport.demo.git_host import git
from tests.marketplaces.git.builder import Repository, connect, contents, feed, write_delta_bomb
from tests.marketplaces.git.hosts import COMMIT, FakeHost, packet, speaking_v2
from tests.marketplaces.git.watching import SOON, Watched, at_most, members, needs_proc, variables
from tests.waiting import until

SECRET = "a-secret-that-nobody-may-see"


@contextlib.contextmanager
def hanging(copy: KeptCopy, program: GitProgram, records: Path) -> Iterator[tuple[int, Future[Any]]]:
    """Fetch from a host that never answers; gives the group of git and what becomes of the fetch."""
    with ThreadPoolExecutor(1) as pool, FakeHost() as host:
        fetch = pool.submit(copy.fetch, COMMIT, connect(f"{host.url}/acme/skills.git", SECRET))
        try:
            assert host.asked.wait(60)
            (record,) = until(lambda: list(records.glob("*")))  # git may ask before it is written down
            yield int(record.name), fetch
        finally:
            program.processes.stop()


@needs_proc
def test_git_inherits_nothing_of_ours_but_the_path(
    copy: KeptCopy, program: GitProgram, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {
        "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "GIT_DIR": "/planted", "GIT_SSH_COMMAND": "/planted",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.planted", "GIT_CONFIG_VALUE_0": "planted", "GIT_TRACE": "2",
        "GIT_CONFIG_PARAMETERS": "'core.planted=1'", "GIT_CONFIG_SYSTEM": "/planted", "GIT_ASKPASS": "/planted",
        "http_proxy": "http://planted.invalid", "HTTPS_PROXY": "http://planted.invalid", "ALL_PROXY": "planted",
        "LD_PRELOAD": "/planted.so", "LD_LIBRARY_PATH": "/planted", "GIT_EXEC_PATH": "/planted", "BASH_ENV": "/planted",
        "ENV": "/planted", "SECRET_KEY": "planted", "DATABASE_URL": "planted", "GIT_TEMPLATE_DIR": "/planted",
    }  # fmt: skip
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with hanging(copy, program, records) as (group, _):
        seen = [variables(pid) for pid in members(group)]
    assert len(seen) >= 2  # git, and the helper that speaks HTTP
    for variable in seen:
        assert variable["PATH"].endswith(os.environ["PATH"])
        assert variable["HOME"] == "/nonexistent"
        given = {name for name in variable if not name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))}
        assert given - {"PATH", "HOME", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"} <= {
            "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT", "GIT_TERMINAL_PROMPT", "GIT_DIR",
            "GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH", "GIT_EXEC_PATH", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX", "GIT_CEILING_DIRECTORIES",
            "GIT_TRACE_BARE", "GIT_TRACE_PACKET", "GIT_TRACE_PACKFILE",
        }  # fmt: skip
        assert not [name for name, value in variable.items() if "planted" in value]


def test_nobodys_configuration_is_read_but_ours(
    program: GitProgram, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").mkdir()
    for file in (tmp_path / ".gitconfig", tmp_path / "git" / "config", tmp_path / "system"):
        file.write_text('[url "http://planted.invalid/"]\n\tinsteadOf = http://\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "system"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    read = program.run(bare, "config", "--list", "--show-origin", "--show-scope").decode().splitlines()
    assert {line.split("\t")[0] for line in read} == {"local", "command"}
    assert not [line for line in read if "planted" in line]


@needs_proc
def test_the_credential_is_in_no_processs_arguments(
    copy: KeptCopy, program: GitProgram, records: Path
) -> None:
    with hanging(copy, program, records) as (group, _):
        assert any("git-remote-http" in Path(f"/proc/{pid}/cmdline").read_text() for pid in members(group))
        spoken = {file: _read(file) for file in Path("/proc").glob("[0-9]*/cmdline")}
        given = [variables(pid) for pid in members(group)]
    header = str(connect("http://127.0.0.1", SECRET).remote.authorization)
    assert any(header in value for variable in given for value in variable.values())
    assert not [file for file, text in spoken.items() if SECRET in text or header.split()[1] in text]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


@needs_proc
def test_git_and_its_helpers_are_limited_in_time_in_memory_and_in_the_size_of_a_file(
    copy: KeptCopy, program: GitProgram, records: Path
) -> None:
    with hanging(copy, program, records) as (group, _):
        limits = [Path(f"/proc/{pid}/limits").read_text() for pid in members(group)]
    for text in limits:
        lines = {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()}
        assert lines["Max file size"] == str(512 * 2**20)
        assert lines["Max cpu time"] == "300"
        assert lines["Max address space"] == str(512 * 2**20)


def test_a_pack_larger_than_the_file_limit_fails(
    repository: Repository, tmp_path: Path, program: GitProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"big": os.urandom(400_000)})
    smaller = [part.replace("ulimit -f 1048576", "ulimit -f 256") for part in program_module._LIMITED]
    assert smaller != program_module._LIMITED
    copy = KeptCopy(tmp_path / "copies", fence=1, program=program, blob_limit=1_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(program_module, "_LIMITED", smaller)
        with pytest.raises(RepositoryTooLarge):
            copy.fetch(commit, repository.connection)
    copy.fetch(commit, repository.connection)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow git 64 MiB instead of 512, so that what goes beyond them is quickly made."""
    smaller = [part.replace("ulimit -v 524288", "ulimit -v 65536") for part in program_module._LIMITED]
    assert smaller != program_module._LIMITED
    monkeypatch.setattr(program_module, "_LIMITED", smaller)


# Half a MiB may unfold to a GiB: index-pack took all of it, and the worker with it where memory is less.
@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("is_warm", [False, True])
def test_a_pack_that_unfolds_to_more_than_the_memory_limit_fails_and_leaves_no_copy(
    repository: Repository, copy: KeptCopy, program: GitProgram, *, is_warm: bool
) -> None:
    git("config", "uploadpack.allowFilter", "false", folder=repository.bare)
    git("config", "uploadpack.allowAnySHA1InWant", "true", folder=repository.bare)
    harmless = repository.commit({"a": b"1"})
    bomb = write_delta_bomb(repository.bare, 40 * 2**20)
    if is_warm:
        copy.fetch(harmless, repository.connection)
    with pytest.raises(RepositoryTooLarge, match="Move large files"):
        copy.fetch(bomb, repository.connection)
    assert not copy.path.exists()
    copy.fetch(harmless, repository.connection)
    assert contents(program, copy.path, harmless) == {b"a": b"1"}


@pytest.mark.usefixtures("little_memory")
def test_a_blob_that_needs_more_than_the_memory_limit_is_told_as_too_large(
    program: GitProgram, bare: Path
) -> None:
    bomb = write_delta_bomb(bare, 40 * 2**20)
    second = git("rev-parse", f"{bomb}:second", folder=bare)
    with pytest.raises(RepositoryTooLarge), BlobReader.opened(program, bare) as reader:
        reader.read(second)


@pytest.mark.usefixtures("little_memory")
def test_a_large_file_of_a_host_without_filters_passes_through_little_memory(
    repository: Repository, copy: KeptCopy, program: GitProgram
) -> None:
    git("config", "uploadpack.allowFilter", "false", folder=repository.bare)
    large = 72 * 2**20
    commit = repository.commit({"large": bytes(large), "small": b"1"})
    copy.fetch(commit, repository.connection)
    listed = list_files(program, copy.path, commit, max_entries=2, max_bytes=10**9)
    assert {one.path: one.size_bytes for one in listed} == {b"large": large, b"small": 1}


@pytest.mark.parametrize("said", [b"ERR fatal: Out of memory", b"ERR Out of memory, malloc failed"])
def test_a_host_that_speaks_of_memory_is_not_believed(copy: KeptCopy, said: bytes) -> None:
    with FakeHost(speaking_v2([packet(said)])) as host, pytest.raises(FetchFailed):
        copy.fetch(COMMIT, connect(f"{host.url}/x.git"))


@needs_proc
def test_stopping_ends_a_hanging_fetch_and_its_helpers_within_a_second(
    copy: KeptCopy, program: GitProgram, records: Path
) -> None:
    with hanging(copy, program, records) as (group, fetch):
        watched = [Watched(pid) for pid in members(group)]
        program.processes.stop()
        assert [one.ends_within(30) for one in watched] == [True] * len(watched)
        with at_most(SOON), pytest.raises(GitStopped):
            fetch.result()


def test_a_git_that_takes_too_long_is_ended(
    copy: KeptCopy, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is by then: a busy machine may not let it come as far as to the host."""
    monkeypatch.setattr(program_module, "_SECONDS", 0.5)
    with FakeHost() as host, at_most(SOON), pytest.raises(RepositoryError):
        copy.fetch(COMMIT, connect(f"{host.url}/acme/skills.git", SECRET))
    assert list(records.iterdir()) == []


def test_output_larger_than_the_pipe_streams_in_little_memory(program: GitProgram, bare: Path) -> None:
    size = 48 * 2**20
    blob = feed(bare, "hash-object", "-w", "--stdin", content=bytes(size))
    tracemalloc.start()
    try:
        with program.streaming(bare, "cat-file", "blob", blob) as output:
            read = sum(len(chunk) for chunk in iter(lambda: output.read(65536), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == size
    assert peak < size / 8, "whatever other threads of this process take meanwhile"


def test_a_host_that_floods_the_error_output_neither_blocks_git_nor_fills_memory(copy: KeptCopy) -> None:
    flood = [packet(b"packfile\n"), *[packet(b"\x02" + b"!" * 60_000 + b"\n")] * 200, packet(b"\x03The end.")]
    with FakeHost(speaking_v2(flood)) as host:
        tracemalloc.start()
        try:
            with at_most(SOON), pytest.raises(FetchFailed):
                copy.fetch(COMMIT, connect(f"{host.url}/x.git"))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < sum(map(len, flood)) / 4


# `FetchFailed` promises that the log has git's words without secrets, and a host may say our credential back to us.
def test_the_log_has_the_words_of_git_and_no_secret(copy: KeptCopy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "marketplaces.git.program")
    header = str(connect("http://127.0.0.1", SECRET).remote.authorization)
    said = packet(b"ERR I do not like " + f"{header} or {SECRET}".encode())
    with FakeHost(speaking_v2([said])) as host, pytest.raises(FetchFailed):
        copy.fetch(COMMIT, connect(f"{host.url}/x.git", SECRET))
    logged = [str(vars(record)) for record in caplog.records]
    assert any("I do not like" in text for text in logged)
    assert not [text for text in logged if SECRET in text or header.split()[1] in text]


def test_a_failure_of_git_is_told_with_its_code_and_its_last_words(
    program: GitProgram, bare: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "marketplaces.git.program")
    with pytest.raises(FetchFailed):
        program.run(bare, "cat-file", "blob", COMMIT)
    (record,) = caplog.records
    assert vars(record)["code"] == 128
    assert COMMIT in vars(record)["said"]


def test_a_conversation_ends_with_its_block(program: GitProgram, bare: Path, records: Path) -> None:
    git("hash-object", "-w", "--stdin", folder=bare)
    with program.conversing(bare, "cat-file", "--batch") as (to_git, from_git):
        to_git.write(b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n")
        to_git.flush()
        assert from_git.readline().endswith(b"blob 0\n")
        assert len(list(records.iterdir())) == 1
    assert list(records.iterdir()) == []
