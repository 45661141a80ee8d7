"""The private PostgreSQL of the demo and the tests: started, stopped, killed, shared and confined."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from skillport.embedded.postgres import APP, OWNER, EmbeddedPostgres, EmbeddedPostgresError
from tests.skillport.clusters import Clusters, child, needs_binaries, said, servers, socket_folder
from tests.waiting import until

pytestmark = needs_binaries
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")


def test_it_starts_and_serves_the_three_roles_and_keeps_its_data(clusters: Clusters, tmp_path: Path) -> None:
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    postgres.make_database("kept")
    postgres.make_database("kept")  # may be said again
    assert said(postgres, "SELECT current_user", OWNER) == OWNER
    assert said(postgres, "SELECT current_user", APP) == APP
    told = "SELECT rolsuper OR rolbypassrls OR rolinherit FROM pg_roles WHERE rolname = current_user"
    assert said(postgres, told, APP) is False
    said(postgres, "CREATE TABLE notes AS SELECT 'still here' AS note")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        said(postgres, "SELECT note FROM notes", APP)
    postgres.stop()
    assert postgres.pid is None
    with pytest.raises(psycopg.OperationalError):
        said(postgres, "SELECT 1")
    assert servers(tmp_path) == []
    postgres.start()
    assert said(postgres, "SELECT note FROM notes") == "still here"
    assert said(postgres, "SHOW listen_addresses") == ""


@needs_proc
def test_a_checkpoint_that_does_not_end_holds_nobody_up_and_loses_nothing(
    clusters: Clusters, tmp_path: Path
) -> None:
    """The writer of checkpoints is frozen, as on a disk that is busy with something else."""
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    postgres.make_database("kept")
    said(postgres, "CREATE TABLE notes AS SELECT 'still here' AS note")
    os.kill(_child_of(postgres, "checkpointer"), signal.SIGSTOP)
    postgres.stop()
    assert servers(tmp_path) == []
    postgres.start()
    assert said(postgres, "SELECT note FROM notes") == "still here"


def _child_of(postgres: EmbeddedPostgres, title: str) -> int:
    """Give the server's process of this title, as soon as it calls itself so."""
    children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children")

    def look() -> int | None:
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):  # a session's, which has ended meanwhile
                if title in Path(f"/proc/{pid}/cmdline").read_text():
                    return int(pid)
        return None

    return until(look)  # type: ignore[return-value] # there is one


def test_a_second_process_on_the_same_folder_gets_one_sentence(clusters: Clusters, tmp_path: Path) -> None:
    first = clusters.new(tmp_path / "pg")
    first.start()
    second = child(tmp_path / "pg")
    out, err = second.communicate()
    assert second.returncode == 1
    assert out == ""
    assert err.startswith(f"Another Skillport process already uses {tmp_path / 'pg'}. Stop it first")
    assert len(err.splitlines()) == 1
    assert said(first, "SELECT 1", database="postgres") == 1


def test_whoever_was_refused_does_not_stop_the_others_server(clusters: Clusters, tmp_path: Path) -> None:
    first, second = clusters.new(tmp_path / "pg"), EmbeddedPostgres(tmp_path / "pg", durable=False)
    first.start()
    with pytest.raises(EmbeddedPostgresError, match="already uses"):
        second.start()
    second.stop()
    assert said(first, "SELECT 1", database="postgres") == 1


@needs_proc
def test_after_its_process_was_killed_the_next_start_works_and_leaves_one_server(
    clusters: Clusters, tmp_path: Path
) -> None:
    killed = child(tmp_path / "pg")
    assert killed.stdout is not None
    word, old_pid = killed.stdout.readline().split()
    assert word == "started"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert servers(tmp_path) == [
        int(old_pid)
    ]  # the server outlives its parent: that is the point of this test
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    assert servers(tmp_path) == [postgres.pid]
    assert postgres.pid != int(old_pid)
    assert said(postgres, "SELECT current_database()") == "kept"
    postgres.stop()
    assert servers(tmp_path) == []


@needs_proc
def test_a_server_whose_data_somebody_removed_does_not_hinder_the_next_start(
    clusters: Clusters, tmp_path: Path
) -> None:
    killed = child(tmp_path / "pg")
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    shutil.rmtree(tmp_path / "pg")
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    assert servers(tmp_path) == [postgres.pid]


def test_removing_takes_the_data_away_unless_another_process_uses_it(
    clusters: Clusters, tmp_path: Path
) -> None:
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    with pytest.raises(EmbeddedPostgresError, match="already uses"):
        EmbeddedPostgres(tmp_path / "pg", durable=False).remove()
    assert said(postgres, "SELECT 1", database="postgres") == 1
    postgres.stop()
    postgres.remove()
    assert not (tmp_path / "pg" / "data").exists()
    assert not socket_folder(postgres).exists()


def test_an_interrupted_first_start_is_begun_anew(clusters: Clusters, tmp_path: Path) -> None:
    postgres = clusters.new(tmp_path / "pg")
    (tmp_path / "pg" / "data").mkdir(parents=True)
    (tmp_path / "pg" / "data" / "half").write_text("of a cluster")
    postgres.start()
    assert said(postgres, "SELECT 1", database="postgres") == 1


STRANGERS = {
    "with nothing in common": lambda folder: ["sh", "-c", "echo here; exec sleep 1000"],
    "that reads the log": lambda folder: ["tail", "-f", str(folder / "data.log")],
}


@pytest.mark.parametrize("command", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_who_was_given_the_old_process_id_is_left_alone(
    clusters: Clusters, tmp_path: Path, command: Callable[[Path], list[str]]
) -> None:
    folder = tmp_path / "pg"
    postgres = clusters.new(folder)
    postgres.start()
    postgres.stop()
    with subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline()  # it runs
        try:
            (folder / "data" / "postmaster.pid").write_text(
                f"{stranger.pid}\n{folder}/data\n0\n5432\n/tmp\n\n  1 2\n"
            )
            postgres.start()
            assert stranger.poll() is None
            assert postgres.pid not in {None, stranger.pid}
            assert said(postgres, "SELECT 1", database="postgres") == 1
        finally:
            stranger.kill()


def test_a_checkout_may_lie_very_deep_under_an_unusual_name(clusters: Clusters, tmp_path: Path) -> None:
    folder = tmp_path / "Meine Skills, überall & (neu)" / Path(*["a-rather-long-name-of-a-folder"] * 8)
    assert len(str(folder)) > 250
    postgres = clusters.new(folder)
    postgres.start()
    postgres.make_database("kept")
    assert said(postgres, "SELECT 1") == 1


# --- who may connect --------------------------------------------------------------------------------------------------


def test_only_this_user_can_enter_the_folders_of_the_socket_and_the_data(
    clusters: Clusters, tmp_path: Path
) -> None:
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    for folder in (socket_folder(postgres), tmp_path / "pg" / "data", tmp_path / "pg"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.geteuid()
    postgres.stop()
    assert not socket_folder(postgres).exists()


@needs_root
def test_another_user_of_the_machine_cannot_connect(clusters: Clusters, tmp_path: Path) -> None:
    postgres = clusters.new(tmp_path / "pg")
    postgres.start()
    assert not nobody_connects(socket_folder(postgres))
    socket_folder(postgres).chmod(0o755)
    assert nobody_connects(socket_folder(postgres))  # the twin: the folder's mode is what keeps others out


def nobody_connects(folder: Path) -> bool:
    nobody = pwd.getpwnam("nobody")
    with socket.socket(socket.AF_UNIX) as client:
        os.seteuid(nobody.pw_uid)
        try:
            client.connect(str(folder / ".s.PGSQL.5432"))
        except PermissionError:
            return False
        finally:
            os.seteuid(0)
        return True


def test_a_folder_for_the_socket_that_somebody_prepared_is_refused(
    clusters: Clusters, tmp_path: Path
) -> None:
    postgres = clusters.new(tmp_path / "pg")
    (tmp_path / "elsewhere").mkdir()
    socket_folder(postgres).symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(EmbeddedPostgresError, match="belongs to another user"):
            postgres.start()
    finally:
        socket_folder(postgres).unlink()
