"""`manage.py demo`, started as a newcomer would start it."""

import json
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from marketplaces.manifest.names import SLUG
from marketplaces.services.binding import free_slug
from skillport.demo.git_host import GitHost, git
from skillport.demo.seed import kept_keys
from tests.demo.processes import ROOT, alive, environment, processes_with, started
from tests.demo.slow_host import slow_host
from tests.ports import claim_ports
from tests.repositories import SMALL, NewRepository, Repository
from tests.waiting import until


def skills(demo_file: dict[str, object], person: int = 1) -> list[str]:
    acme = demo_file["organizations"][0]  # type: ignore[index]
    key = acme["people"][person]["api_key"]
    answer = httpx2.get(
        f"{demo_file['base_url']}/acme/api/v1/skills",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return [f"{one['name']} {one['version']}" for one in answer.json()["skills"]]


def once(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    port = () if "--port" in arguments else ("--port", str(claim_ports(2)))  # the second is the git host's
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "demo", "--once", *port, *arguments], cwd=folder,
        env=environment(folder, **more), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_once_does_the_whole_main_job_and_exits_with_zero(tmp_path: Path) -> None:
    done = once(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for step in (
        "bind",
        "without salary-bands",
        "every byte and mode",
        "a second time is refused",
        "Charlie",
    ):
        assert step in done.stdout
    assert processes_with(str(tmp_path)) == []


def test_once_fails_when_the_repository_cannot_be_had(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{claim_ports()}/nothing.git"
    done = once(tmp_path, "--marketplace", address)
    assert done.returncode == 1
    assert "host_unreachable" in done.stdout
    assert processes_with(str(tmp_path)) == []


def test_it_says_what_to_try_next_and_keeps_what_it_made(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        for line in (
            "claude mcp add --transport http",
            "install.sh | SKILLPORT_TOKEN",
            "alice@acme.example",
            "git clone",
        ):
            assert line in demo.said
        told = demo.file
        assert "sklp_ak_" not in demo.said, "no secret is printed"
        assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
        assert [organization["slug"] for organization in told["organizations"]] == ["acme", "globex"]
        assert len(skills(told, 0)) == 6
        assert len(skills(told, 1)) == 5
        assert demo.end(signal.SIGINT) == 0
    with started(tmp_path, port=demo.port) as again:
        again.wait_for("Ctrl-C stops everything")
        assert again.file == told, "the same organizations, people and keys"
        assert again.end(signal.SIGTERM) == 0
    assert processes_with(str(tmp_path)) == []


def test_a_push_to_the_demos_git_host_arrives(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        host = demo.file["git_host"]
        address = f"{host['url']}/acme/skills.git".replace(
            "http://", f"http://{host['username']}:{host['password']}@"
        )
        work = tmp_path / "work"
        git("clone", "--quiet", address, str(work))
        file = work / "plugins/data/skills/csv-profile/SKILL.md"
        file.write_text(file.read_text() + "\nOne more line.\n")
        people = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        git("commit", "--quiet", "--all", "--message", "One more line", folder=work, environment=people)
        git("push", "--quiet", folder=work)
        until(lambda: any(one.startswith("csv-profile 1.0.1+") for one in skills(demo.file)))
        assert demo.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_with_a_sync_under_way(tmp_path: Path, number: int) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--marketplace", address) as demo:
        until(asked.is_set, 180)
        postmaster = demo.postmaster()
        children = [pid for pid in processes_with(address) if pid != demo.process.pid]
        assert children, "git is waiting for the host"
        demo.end(number, seconds=30)  # the host would be waited for twice as long
        until(lambda: not any(alive(pid) for pid in [postmaster, *children]))
        assert processes_with(str(tmp_path)) == []


def test_after_kill_9_it_starts_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--marketplace", address) as killed:
        until(asked.is_set, 180)
        orphans = [
            killed.postmaster(),
            *(pid for pid in processes_with(address) if pid != killed.process.pid),
        ]
        killed.process.kill()
        killed.process.wait()
        assert all(alive(pid) for pid in orphans), "a killed process cannot end its children"
        with started(tmp_path, "--marketplace", address) as demo:
            until(lambda: not any(alive(pid) for pid in orphans))
            asked.clear()
            until(asked.is_set, 180)  # the run that was interrupted is under way again
            demo.end(signal.SIGTERM)
    assert processes_with(str(tmp_path)) == []


def test_two_in_one_folder_are_refused(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        with started(tmp_path) as second:
            second.process.wait(timeout=60)
            second.wait_for("Another Skillport process already uses")
        assert skills(demo.file)
        demo.end(signal.SIGTERM)


def test_once_after_kill_9_ends_what_was_left_and_begins_anew(tmp_path: Path) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--once", "--marketplace", address) as killed:
        until(asked.is_set, 180)
        orphans = [
            killed.postmaster(),
            *(pid for pid in processes_with(address) if pid != killed.process.pid),
        ]
        killed.process.kill()
        killed.process.wait()
        assert all(alive(pid) for pid in orphans), "a killed process cannot end its children"
        done = once(tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not any(alive(pid) for pid in orphans)
    assert processes_with(str(tmp_path)) == []


def test_once_beside_a_running_one_is_refused_and_harms_it_not(tmp_path: Path) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--once", "--marketplace", address) as first:
        until(asked.is_set, 180)
        second = once(tmp_path)
        assert second.returncode == 1
        assert "Another Skillport process already uses" in second.stderr
        assert first.process.poll() is None
        assert alive(first.postmaster())
        first.end(signal.SIGTERM)
    assert processes_with(str(tmp_path)) == []


def test_a_busy_port_is_told_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with started(tmp_path, port=busy.getsockname()[1]) as demo:
            assert demo.process.wait(timeout=60) != 0
            demo.wait_for("--port")
    assert processes_with(str(tmp_path)) == []


def test_a_wrong_token_is_corrected_by_the_next_start(tmp_path: Path, new_repository: NewRepository) -> None:
    repository = new_repository(SMALL)
    own = ("--marketplace", repository.url, "--token-env", "TOKEN")
    with started(tmp_path, *own, TOKEN="wrong") as demo:
        assert demo.process.wait(timeout=60) == 1
        demo.wait_for("credential_refused")
    with started(tmp_path, *own, TOKEN=repository.token) as demo:
        demo.wait_for("Ctrl-C stops everything")
        assert [one.split()[0] for one in skills(demo.file, 0)] == ["hello", "secret"]
        demo.end(signal.SIGTERM)


def test_a_repository_of_ones_own_may_be_called_as_the_sample_is(tmp_path: Path, git_host: GitHost) -> None:
    git_host.make_repository("own/skills")
    repository = Repository(git_host, "own/skills")
    repository.commit(SMALL)
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        demo.end(signal.SIGTERM)
    with started(
        tmp_path, "--marketplace", repository.url, "--token-env", "TOKEN", TOKEN=repository.token
    ) as demo:
        demo.wait_for("Ctrl-C stops everything")
        assert demo.file["organizations"][0]["marketplaces"] == ["skills", "skills-2"]
        demo.end(signal.SIGTERM)


@pytest.mark.parametrize(
    ("last_part", "slug"),
    [("Agents.git", "agents"), ("my_own.skills", "my-own-skills"), ("skills.git", "skills-2"), ("known", "known-3"),
     ("日本", "own"), ("x" * 99, "x" * 60), ("-.git", "own")],
)  # fmt: skip
def test_a_marketplace_is_named_after_its_repository(last_part: str, slug: str) -> None:
    assert free_slug(f"https://git.example/some/{last_part}", {"known", "known-2", "skills"}) == slug
    assert re.fullmatch(SLUG, slug)


def test_what_cannot_go_on_is_told_in_a_sentence(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        demo.end(signal.SIGTERM)
    (tmp_path / "demo" / "encryption-keys").write_text("other:" + "B" * 43 + "=")
    with started(tmp_path) as demo:
        assert demo.process.wait(timeout=60) == 1
        demo.wait_for("key")
        assert "Traceback" not in demo.said


def test_the_keys_of_the_last_start_are_read_from_the_file_that_it_wrote(tmp_path: Path) -> None:
    person = {"email": "bob@acme.example", "api_key": "sklp_ak_x"}
    file = tmp_path / "demo.json"
    file.write_text(json.dumps({"organizations": [{"slug": "acme", "people": [person]}]}))
    assert kept_keys(file) == {"acme/bob@acme.example": "sklp_ak_x"}
    for nonsense in ("", "[]", "{}", '{"organizations": [1]}', '{"organizations": [{}]}'):
        file.write_text(nonsense)
        assert kept_keys(file) == {}


def test_hosts_that_the_environment_allows_stay_allowed(tmp_path: Path) -> None:
    program = (
        "import os; from skillport.demo.surroundings import prepare; prepare(['--once']);"
        "print(os.environ['SKILLPORT_OUTBOUND_ALLOW'])"
    )
    given = {"DATABASE_URL": "postgresql://x@/y", "DATABASE_OWNER_URL": "postgresql://x@/y"}
    allowed = environment(tmp_path, SKILLPORT_OUTBOUND_ALLOW="https://git.internal:8443", **given)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=allowed, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.split()
    assert first == "https://git.internal:8443"
    assert second.startswith("http://127.0.0.1:"), "the demo's own git host"


def test_a_token_is_taken_from_the_environment_only(tmp_path: Path) -> None:
    with started(tmp_path, "--marketplace", "https://git.example/x.git", "--token-env", "NOT_SET") as demo:
        assert demo.process.wait(timeout=60) == 2
        demo.wait_for("the environment has no variable NOT_SET")
