"""What `install.sh` does with what lies where the skill goes, and with ends that come too early: nothing is lost."""

import os
import re
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.connector.install.hostile_server import (
    NAME,
    Member,
    bundle,
    error,
    release_digest,
)
from tests.connector.install.machine import (
    NEW,
    OLD,
    Machine,
    as_tree,
    interrupted_updates,
    planted,
    put,
    tree,
)

# What lies where the skill should go


@pytest.mark.parametrize("there", ["link", "broken link", "file", "empty folder", "folder of something else"])
def test_what_is_no_skill_is_left_alone(machine: Machine, there: str) -> None:
    put(OLD, machine.root / "home/elsewhere")
    machine.target.parent.mkdir(parents=True)
    match there:
        case "link":
            machine.target.symlink_to(machine.root / "home/elsewhere")
        case "broken link":
            machine.target.symlink_to("nowhere")
        case "file":
            machine.target.write_text("mine")
        case "empty folder":
            machine.target.mkdir()
        case _:
            (machine.target / "SKILL.md").mkdir(parents=True)
    says, sound = (
        ("is a symbolic link", "os.path.islink") if "link" in there else ("something else lies", "update and")
    )
    assert machine.refuses(says)
    machine.script = planted(machine.script, f"    if {sound}", f"    if False and {sound}")
    assert not machine.refuses(says)


def write_own(machine: Machine) -> None:
    (machine.target / "notes.md").write_text("mine")


OWN_FILES = as_tree((*OLD, Member(path=b"notes.md", content=b"mine")))


@pytest.mark.parametrize(
    "own", ["changed", "removed", "executable", "link", "linked folder", "never installed"]
)
def test_what_somebody_changed_is_kept_beside_the_skills(updatable: Machine, own: str) -> None:
    match own:
        case "changed":
            write_own(updatable)
        case "removed":
            (updatable.target / "scripts/run.sh").unlink()
        case "executable":
            (updatable.target / "scripts/run.sh").chmod(0o755)
        case "link":
            (updatable.target / "more.md").symlink_to("SKILL.md")
        case "linked folder":
            (updatable.target / "more").symlink_to("scripts")
        case _:
            shutil.rmtree(updatable.target.parent / ".skillport")
    before = tree(updatable.target)
    done = updatable.install()
    assert "It is kept in" in done.stdout
    assert updatable.kept() == [before]
    assert tree(updatable.target) == as_tree(NEW)
    assert updatable.skills() == [NAME]
    assert "kept" not in updatable.install().stdout
    assert updatable.kept() == [before]


def test_an_edit_while_the_new_version_is_written_is_kept(updatable: Machine) -> None:
    written = "        write(files, fresh)\n"
    edit = "        open(os.path.join(target, 'notes.md'), 'w').write('mine')\n"
    updatable.script = planted(updatable.script, written, written + edit)
    assert "It is kept in" in updatable.install().stdout
    assert updatable.kept() == [OWN_FILES]


def test_what_is_too_large_to_be_a_release_is_kept_without_being_read(updatable: Machine) -> None:
    with (updatable.target / "model.bin").open("wb") as file:
        file.truncate(1 << 40)
    assert "It is kept in" in updatable.install().stdout
    [kept] = (updatable.target.parent / ".skillport/replaced").iterdir()
    assert (kept / "model.bin").stat().st_size == 1 << 40


def test_what_cannot_be_moved_stays_where_it_is_and_hinders_nobody(updatable: Machine) -> None:
    write_own(updatable)
    (updatable.target.parent / ".skillport/replaced").touch()
    done = updatable.install()
    assert (done.returncode, done.stderr) == (0, "")
    place = Path(re.search("It is kept in (.+)", done.stdout)[1])  # type: ignore[index]
    assert tree(place) == OWN_FILES
    os.utime(place, (0, 0))
    assert updatable.install().returncode == 0
    assert tree(place) == OWN_FILES
    assert tree(updatable.target) == as_tree(NEW)


def test_a_folder_that_may_only_be_read_is_moved_all_the_same(updatable: Machine) -> None:
    write_own(updatable)
    updatable.target.chmod(0o555)
    done = updatable.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert updatable.kept() == [OWN_FILES]
    for place in (updatable.target.parent / ".skillport/replaced").iterdir():
        assert place.stat().st_mode & 0o777 == 0o555
        place.chmod(0o755)


def test_where_nothing_can_be_remembered_an_install_works_and_loses_nothing(machine: Machine) -> None:
    machine.target.parent.mkdir(parents=True)
    (machine.target.parent / ".skillport").touch()
    for _ in range(2):
        assert machine.install().returncode == 0
        assert tree(machine.target) == as_tree(NEW)


def test_a_release_may_hold_what_use_leaves_behind_elsewhere(machine: Machine) -> None:
    machine.server.will_answer(bundle(*NEW, Member(path=b".DS_Store", content=b"x")))
    assert machine.install().returncode == 0
    assert "kept" not in machine.install().stdout


def test_what_use_leaves_behind_is_no_change(updatable: Machine) -> None:
    (updatable.target / "scripts/__pycache__").mkdir()
    (updatable.target / "scripts/__pycache__/run.pyc").touch()
    (updatable.target / ".DS_Store").touch()
    assert "kept" not in updatable.install().stdout
    assert updatable.kept() == []


@pytest.mark.parametrize("swap", ["one step", "two steps"])
def test_nothing_of_ones_own_is_lost_whenever_an_update_ends(machine: Machine, swap: str) -> None:
    script = machine.script if swap == "one step" else without_exchange(machine.script)
    places = []
    for _ in interrupted_updates(machine, KILL, script, write_own):
        folders = [
            machine.target,
            *machine.target.parent.glob(".skillport-*"),
            *machine.target.parent.glob(".skillport/replaced/*"),
        ]
        places.append([place.parent.name for place in folders if tree(place) == OWN_FILES])
    assert [1] * len(places) == list(map(len, places))
    assert places[-1] == ["replaced"]


def test_what_a_killed_run_left_of_ones_own_is_kept(updatable: Machine) -> None:
    left = updatable.target.parent / f".skillport-{NAME}-{'0' * 16}.own"
    put(OLD, left)
    (left / "notes.md").write_text("mine")
    os.utime(left, (0, 0))
    assert updatable.install().returncode == 0
    assert updatable.kept() == [OWN_FILES]
    assert updatable.skills() == [NAME]


def test_a_folder_that_may_not_be_written_is_named(machine: Machine) -> None:
    home = machine.root / "home"
    home.chmod(0o555)
    if os.access(home, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert machine.refuses("Permission denied")


def test_a_folder_that_cannot_be_is_named(machine: Machine) -> None:
    (machine.root / "work/file").touch()
    assert machine.refuses("/work/file", "--dir", "file")
    assert machine.refuses("/work/file", "--dir", "file/below")


def test_what_killed_runs_left_is_removed_after_an_hour(updatable: Machine) -> None:
    skills = updatable.target.parent
    old, recent = skills / f".skillport-{NAME}-{'0' * 16}", skills / f".skillport-a-b-{'f' * 16}"
    foreign = [skills / ".skillport-mine", skills / f"skillport-x-{'0' * 16}", skills / ".skillport-x-0"]
    for folder in (old, recent, *foreign):
        put(OLD, folder)
        os.utime(folder, (0, 0) if folder != recent else None)
    link = skills / f".skillport-x-{'1' * 16}"
    link.symlink_to(updatable.root / "work", target_is_directory=True)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert updatable.install().returncode == 0
    remembered = skills / ".skillport"
    assert sorted(skills.iterdir()) == sorted([updatable.target, recent, link, remembered, *foreign])


# Ends that come too early


def test_a_script_that_breaks_off_does_nothing(updatable: Machine) -> None:
    before, whole = tree(updatable.root), updatable.script.rstrip("\n")
    for length in {*range(0, len(whole), 97), *range(len(whole) - 50, len(whole))}:
        bash = updatable.start("--dir", "unwanted", "--digest", release_digest(OLD))
        bash.communicate(whole[:length].encode())
    assert updatable.server.asked == []
    assert tree(updatable.root) == before
    # And with `main "$@"` alone on the last line, which breaks off as `main`:
    updatable.install(script=updatable.script[: updatable.script.rindex("{ main")] + "main")
    assert tree(updatable.target) == as_tree(NEW)


KILL = "os.killpg(0, signal.SIGKILL)"


def without_exchange(script: str) -> str:
    return planted(script, "libc.renameat2", "libc.no_such_call")


def test_a_kill_at_any_moment_leaves_the_old_version_or_the_new_one(machine: Machine) -> None:
    codes, versions = zip(*interrupted_updates(machine, KILL, machine.script), strict=True)
    assert len(versions) >= 40
    assert set(codes) == {-signal.SIGKILL}
    assert set(versions) == {"old", "new"}
    assert list(versions) == sorted(versions, reverse=True)  # old ones, then new ones


def test_without_the_swap_a_kill_would_tear_it(machine: Machine) -> None:
    faulty = planted(
        machine.script,
        "            swap(own, target)",
        "            shutil.rmtree(target); swap(own, target)",
    )
    assert any(version == "torn" for _, version in interrupted_updates(machine, KILL, faulty))


def test_where_two_folders_cannot_be_exchanged_the_next_run_repairs(machine: Machine) -> None:
    interruptions = interrupted_updates(machine, KILL, without_exchange(machine.script))
    assert next(version for _, version in interruptions if version != "old") == "torn"
    assert not machine.target.exists()  # killed between the two renames: the old version lies aside, whole
    machine.server.will_answer(error(404, "No."))
    assert "No." in machine.install().stderr
    assert tree(machine.target) == as_tree(OLD)


def test_a_failure_at_any_moment_is_told_and_leaves_a_whole_version(machine: Machine) -> None:
    disk_full = "raise OSError(28, 'No space left on device', 'somewhere')"
    versions = []
    for code, version in interrupted_updates(machine, disk_full, without_exchange(machine.script)):
        versions.append(version)
        assert (version, code) in {("old", 1), ("new", 0), ("new", 1)}
        if version == "old":
            assert machine.skills() == [NAME]
    assert set(versions) == {"old", "new"}


def test_a_stop_on_request_leaves_nothing_behind(machine: Machine) -> None:
    for code, version in interrupted_updates(machine, "os.kill(os.getpid(), signal.SIGTERM)", machine.script):
        if version != "old":
            return
        assert (code, machine.skills()) == (1, [NAME])
    pytest.fail("no update went through")


def test_a_kill_during_the_download_leaves_the_old_version(updatable: Machine) -> None:
    before, honest = tree(updatable.root), bundle(*NEW)
    for offset in (0, 1, 100, len(honest.body) - 1):
        updatable.server.will_answer(replace(honest, cut_at=offset))
        bash = updatable.start()
        updatable.server.meanwhile = partial(os.killpg, bash.pid, signal.SIGKILL)
        bash.communicate(updatable.script.encode())
        assert bash.returncode == -signal.SIGKILL
        assert tree(updatable.root) == before
