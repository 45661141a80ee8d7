"""`manage.py demo`, started as a newcomer would start it."""

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from skillport.demo.git_host import git
from tests.demo.processes import ROOT, alive, environment, free_port, processes_with, started
from tests.demo.slow_host import slow_host
from tests.waiting import until


def skills(demo_file: dict[str, object], person: int = 1) -> list[str]:
    acme = demo_file["organizations"][0]  # type: ignore[index]
    key = acme["people"][person]["api_key"]
    answer = httpx2.get(
        f"{demo_file['base_url']}/acme/api/v1/skills",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return [f"{one['name']} {one['version']}" for one in answer.json()["skills"]]


def test_once_does_the_whole_main_job_and_exits_with_zero(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "demo", "--once"], cwd=tmp_path, env=environment(tmp_path),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
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
    address = f"http://127.0.0.1:{free_port()}/nothing.git"
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "demo", "--once", "--marketplace", address], cwd=tmp_path,
        env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
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
def test_it_stops_within_three_seconds_with_a_sync_under_way(tmp_path: Path, number: int) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--marketplace", address) as demo:
        until(asked.is_set, 60)
        postmaster = demo.postmaster()
        children = [pid for pid in processes_with(address) if pid != demo.process.pid]
        assert children, "git is waiting for the host"
        demo.end(number, seconds=3)
        until(lambda: not any(alive(pid) for pid in [postmaster, *children]), 3)
        assert processes_with(str(tmp_path)) == []


def test_after_kill_9_it_starts_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with slow_host() as (address, asked), started(tmp_path, "--marketplace", address) as killed:
        until(asked.is_set, 60)
        orphans = [
            killed.postmaster(),
            *(pid for pid in processes_with(address) if pid != killed.process.pid),
        ]
        killed.process.kill()
        killed.process.wait()
        assert all(alive(pid) for pid in orphans), "a killed process cannot end its children"
        with started(tmp_path, "--marketplace", address) as demo:
            until(lambda: not any(alive(pid) for pid in orphans), 20)
            asked.clear()
            until(asked.is_set, 60)  # the run that was interrupted is under way again
            demo.end(signal.SIGTERM)
    assert processes_with(str(tmp_path)) == []


def test_two_in_one_folder_are_refused(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.wait_for("Ctrl-C stops everything")
        with started(tmp_path) as second:
            second.process.wait(timeout=20)
            second.wait_for("Another Skillport process already uses")
        assert skills(demo.file)
        demo.end(signal.SIGTERM)


def test_a_busy_port_is_told_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with started(tmp_path, port=busy.getsockname()[1]) as demo:
            assert demo.process.wait(timeout=20) != 0
            demo.wait_for("--port")
    assert processes_with(str(tmp_path)) == []


def test_a_token_is_taken_from_the_environment_only(tmp_path: Path) -> None:
    with started(tmp_path, "--marketplace", "https://git.example/x.git", "--token-env", "NOT_SET") as demo:
        assert demo.process.wait(timeout=20) == 2
        demo.wait_for("the environment has no variable NOT_SET")
