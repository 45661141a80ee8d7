"""A person's computer with an old version of a skill on it, and the ways to attack and to interrupt its update."""

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.connector.install.hostile_server import NAME, SKILL_MD, HostileServer, Member, release_digest

SCRIPT = Path(__file__).parents[3] / "connector/install/scripts/install.sh"
TOKEN = f"sklp_it_{os.getpid():049}"  # no other test process has it: who shows it is looked for among all processes
OLD = (
    Member(path=b"SKILL.md", content=b"# PDF tools, old\n"),
    Member(path=b"vanishes/soon.md", content=b"old"),
    Member(path=b"vanishes/below/too.md", content=b"old"),
    Member(path=b"vanishes/as well.md", content=b"old"),
    Member(path=b"scripts/run.sh", content=b"echo old\n"),
)
NEW = (
    SKILL_MD,
    Member(path=b"scripts/run.sh", content=b"echo new\n", mode=0o755),
    Member(path="références/naïve 日本.md".encode(), content=bytes(range(256)) * 40),
    Member(path=b"empty/__init__.py"),
)
Tree = dict[str, tuple[int, bytes]]


class TokenShownError(AssertionError):
    """A run printed its token."""


@dataclass
class Machine:
    """A person's computer: a home, a current folder, a PATH of three programs, and one server it knows."""

    root: Path
    server: HostileServer
    script: str

    @property
    def target(self) -> Path:
        return self.root / "home/.claude/skills" / NAME

    def skills(self) -> list[str]:
        """What is in the folder of skills, also what is not meant to be seen, without what installs remember."""
        return sorted(set(os.listdir(self.target.parent)) - {".skillport"})  # noqa: PTH208 names are enough

    def has_installed(self, members: tuple[Member, ...]) -> None:
        """Put there what an earlier install has."""
        put(members, self.target)
        record = self.target.parent / ".skillport/installed" / NAME
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(release_digest(members))

    def kept(self) -> list[Tree]:
        """Give what was replaced and kept."""
        return [tree(one) for one in sorted((self.target.parent / ".skillport/replaced").glob("*"))]

    def start(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run the script as `curl … | bash -s -- options` does."""
        return subprocess.Popen(
            [self.root / "bin/bash", "-s", "--", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.root / "work",
            env={
                "PATH": str(self.root / "bin"),
                "HOME": str(self.root / "home"),
                "TMPDIR": str(self.root / "tmp"),
                "SKILLPORT_TOKEN": TOKEN,
                **environment,
            },
            start_new_session=True,
        )

    def install(
        self, *options: str, script: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        bash = self.start(*options, **environment)
        out, err = bash.communicate((script or self.script).encode())
        if TOKEN.encode() in out + err:
            raise TokenShownError
        assert b"Traceback" not in err, err  # neither the script nor one with a planted fault may just crash
        return subprocess.CompletedProcess(bash.args, bash.returncode, out.decode(), err.decode())

    def refuses(self, says: str, *options: str, **environment: str) -> bool:
        """Tell whether a run ends with this sentence, having changed nothing anywhere."""
        before = tree(self.root)
        done = self.install(*options, **environment)
        return (
            done.returncode == 1
            and done.stdout == ""
            and re.fullmatch(rf"skillport: .*{re.escape(says)}.*\n", done.stderr) is not None
            and tree(self.root) == before
        )


def tree(root: Path) -> Tree:
    """Everything below a folder, by relative path; links are not followed."""
    found: Tree = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            place = Path(folder, name)
            content = (
                os.fsencode(place.readlink())
                if place.is_symlink()
                else b"/"
                if place.is_dir()
                else place.read_bytes()
            )
            found[str(place.relative_to(root))] = (place.lstat().st_mode & 0o7777, content)
    return found


def as_tree(members: tuple[Member, ...]) -> Tree:
    files = {
        member.path.decode(): (0o755 if member.mode & 0o100 else 0o644, member.content) for member in members
    }
    folders = {
        str(parent): (0o755, b"/") for path in files for parent in Path(path).parents if str(parent) != "."
    }
    return files | folders


def put(members: tuple[Member, ...], target: Path) -> None:
    for member in members:
        place = target / member.path.decode()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(member.content)


def planted(script: str, sound: str, faulty: str) -> str:
    """Give the script with a fault in it; fails when the line that is to be spoiled is no longer there."""
    assert script.count(sound) == 1, sound
    return script.replace(sound, faulty)


# Stands for python3; does something, such as ending it all, before the file system is touched for the n-th time.
INTERRUPTED_PYTHON = """#!{python} -IS
import os, signal, sys
*_, program, site, folder, digest = sys.argv
touched, begun = 0, False
def hook(event, arguments):
    global touched, begun
    begun = begun or event == "os.mkdir" and ".skillport-" in str(arguments[0])
    if begun and event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "ctypes.dlsym"):
        touched += 1
        if touched == {moment}:
            open("reached", "w").close()
            {action}
sys.addaudithook(hook)
sys.argv = ["-c", site, folder, digest]
exec(compile(program, "install.sh", "exec"), {{"__name__": "__main__"}})
"""


def interrupted_updates(
    machine: Machine, action: str, script: str, change: Callable[[Machine], object] = lambda _: None
) -> Iterator[tuple[int, str]]:
    """Update again and again, interrupted one touch of the file system later each time, until there are no more.

    `change` is what somebody did to the installed version before.
    Gives the exit code, and the version that is there afterwards: old, new or torn.
    """
    python, reached = machine.root / "bin/python3", machine.root / "work/reached"
    real = python.resolve()
    for moment in itertools.count(1):
        shutil.rmtree(machine.target.parent, ignore_errors=True)
        machine.has_installed(OLD)
        change(machine)
        python.unlink()
        python.write_text(INTERRUPTED_PYTHON.format(python=real, moment=moment, action=action))
        python.chmod(0o755)
        done = machine.install(script=script)
        python.unlink()
        python.symlink_to(real)
        if not reached.exists():
            return
        reached.unlink()
        found = tree(machine.target)
        yield done.returncode, "old" if found == as_tree(OLD) else "new" if found == as_tree(NEW) else "torn"
