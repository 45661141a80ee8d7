"""Forty repositories that mean harm (T-REPO-1): each sync ends, with a reason, and members lose nothing.

Each is pushed over a good commit and synced by a real worker. Whatever comes of it is whole: the old snapshot where nothing
could be imported, else the good skill beside what was left out with a finding.
"""

import resource
from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from marketplaces.manifest.names import checked_path
from marketplaces.services import catalog
from marketplaces.services.worker import Worker
from skillport.demo.git_host import git
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.git import builder
from tests.marketplaces.git.builder import write_commit, write_object, write_tree
from tests.marketplaces.manifest.test_names import HOSTILE as NAMES
from tests.publishing import findings_of, publish, sync_now
from tests.repositories import Files, Link, NewRepository, Repository, marketplace, plugin, skill

Attack = Callable[[Repository], str]

MANIFEST = ".claude-plugin/marketplace.json"
GOOD: Files = {MANIFEST: marketplace("good"), **plugin("good", fine=skill("fine"))}
BOTH: Files = {MANIFEST: marketplace("good", "bad"), **plugin("good", fine=skill("fine"))}
EVIL = "plugins/bad/skills/evil"
MOST_KIB = 512 * 1024


def files(more: Files) -> Attack:
    return lambda repository: repository.commit({**BOTH, **more})


def front(text: str | bytes) -> Attack:
    return files({f"{EVIL}/SKILL.md": text})


def named(raw: bytes) -> Attack:
    """Put a file of this name into the skill, as no git would let anybody do: the trees are written by hand."""

    def push(repository: Repository) -> str:
        bare = repository.folder
        head = repository.commit({**BOTH, f"{EVIL}/SKILL.md": skill("evil")})
        blob = write_object(bare, b"blob", b"x")
        tree = git("rev-parse", f"{head}:{EVIL}", folder=bare)
        own = git("rev-parse", f"{tree}:SKILL.md", folder=bare)
        inner = write_tree(bare, *sorted([(b"100644", b"SKILL.md", own), (b"100644", raw, blob)]))
        return committed(bare, head, EVIL, inner)

    return push


def committed(bare: Path, head: str, path: str, inner: str, mode: bytes = b"40000") -> str:
    """Make a commit like `head` with the tree `inner` at `path`, and let main be it."""
    for folder, _, name in reversed([_split(path, depth) for depth in range(path.count("/") + 1)]):
        listed = git("ls-tree", f"{head}:{folder}", folder=bare).splitlines()
        entries = {one.partition("\t")[2]: one.split()[:3] for one in listed}
        entries[name] = [mode.decode().zfill(6), "", inner]
        rows = [
            (bits.lstrip("0").encode(), own.encode(), git_id) for own, (bits, _, git_id) in entries.items()
        ]
        inner, mode = write_tree(bare, *sorted(rows, key=lambda row: row[1])), b"40000"
    made = write_commit(bare, tree=inner)
    git("update-ref", "refs/heads/main", made, folder=bare)
    return made


def _split(path: str, depth: int) -> tuple[str, str, str]:
    parts = path.split("/")
    return "/".join(parts[:depth]), "/", parts[depth]


def bomb(levels: int, width: int) -> Attack:
    """Put `width` to the power of `levels` files into the skill, in as many objects as there are levels."""

    def push(repository: Repository) -> str:
        bare = repository.folder
        head = repository.commit({**BOTH, f"{EVIL}/SKILL.md": skill("evil")})
        inner, mode = write_object(bare, b"blob", b"x"), b"100644"
        for _ in range(levels):
            names = sorted(b"f%04d" % number for number in range(width))
            inner, mode = write_tree(bare, *((mode, name, inner) for name in names)), b"40000"
        return committed(bare, head, f"{EVIL}/tree", inner)

    return push


def gitlink(repository: Repository) -> str:
    head = repository.commit({**BOTH, f"{EVIL}/SKILL.md": skill("evil")})
    return committed(repository.folder, head, f"{EVIL}/module", head, b"160000")


def delta_bomb(repository: Repository) -> str:
    git("config", "uploadpack.allowFilter", "false", folder=repository.folder)
    made = builder.write_delta_bomb(repository.folder, 40 * 2**20)
    git("update-ref", "refs/heads/main", made, folder=repository.folder)
    return made


def noise(count: int, size: int) -> Files:
    chance = Random(1)
    return {f"{EVIL}/noise/{number}.bin": chance.randbytes(size) for number in range(count)}


_ANCHORS = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(10))
CONTENTS: dict[str, Attack] = {
    "a link that leaves the repository": files(
        {f"{EVIL}/SKILL.md": skill("evil"), f"{EVIL}/passwd": Link("../../../../../../../etc/passwd")}
    ),
    "a link to itself": files({f"{EVIL}/SKILL.md": skill("evil"), f"{EVIL}/loop": Link("loop")}),
    "a submodule": gitlink,
    "a pointer instead of a large file": files(
        {
            f"{EVIL}/SKILL.md": skill("evil"),
            f"{EVIL}/model.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:"
            + "0" * 64
            + "\nsize 99\n",
        }
    ),
    "ten thousand million files": bomb(10, 10),
    "a million files": bomb(2, 1000),
    "forty MiB of zeros, twice": delta_bomb,
    "more noise than a skill may hold": files({f"{EVIL}/SKILL.md": skill("evil"), **noise(17, 1_000_000)}),
    "ten MB of YAML": front("---\n" + "a: b\n" * 2_000_000 + "---\n"),
    "aliases of aliases": front(f"---\nname: evil\n{_ANCHORS}---\n"),
    "fifty thousand brackets": front(f"---\nname: {'[' * 50_000}\n---\n"),
    "bytes that are no text": front(b"---\nname: \xff\xfe\ndescription: \x80\n---\n"),
    "a byte order mark and CRLF": front(b"\xef\xbb\xbf---\r\nname: evil\r\ndescription: x\r\n---\r\n"),
    "skills that are one on some systems": files(
        {f"{EVIL}/SKILL.md": skill("evil"), "plugins/bad/skills/EVIL/SKILL.md": skill("EVIL")}
    ),
    "filters, hooks and modules": files(
        {
            f"{EVIL}/SKILL.md": skill("evil"),
            ".gitattributes": "* filter=evil\n",
            "hooks/post-checkout": "#!/bin/sh\ntouch /tmp/harm\n",
            ".gitmodules": '[submodule "x\r"]\n\tpath = x\r\n\turl = ext::sh -c touch% /tmp/harm\n',
        }
    ),
    "a manifest of brackets": lambda repository: repository.commit({**GOOD, MANIFEST: "[" * 100_000}),
}
ATTACKS = {**CONTENTS, **{f"the name {raw!r}": named(raw) for raw in list(NAMES)[:24]}}


def test_there_are_forty() -> None:
    assert len(ATTACKS) == 40


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_repository_ends_with_a_reason_and_costs_members_nothing(
    cast: Cast, new_repository: NewRepository, worker: Worker, attack: Attack
) -> None:
    repository = new_repository(GOOD)
    marketplace_id = publish(cast.alice, repository, worker)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attack(repository)
    run = sync_now(cast.alice, marketplace_id, worker)
    assert run.state in {"succeeded", "failed"}
    if run.state == "failed":
        assert run.error_code not in {"unexpected", "workers_lost"}, "foreseen"
        assert len(run.error_message) > 40, "says what to do"
    assert_whole(cast, marketplace_id)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB
    assert not Path("/tmp/harm").exists()
    git("config", "uploadpack.allowFilter", "true", folder=repository.folder)
    repository.commit({**GOOD, "NEWS.md": "Mended.\n"})
    mended = sync_now(cast.alice, marketplace_id, worker)
    assert mended.state == "succeeded", mended.error_message
    assert findings_of(cast.alice, mended) == {}


def assert_whole(cast: Cast, marketplace_id: UUID) -> None:
    """What members get can be unpacked anywhere, and the good skill is among it."""
    found = catalog.list_skills(principal=cast.bob).skills
    assert "fine" in {one.name for one in found}
    with within(cast.acme):
        for one in found:
            for file in catalog.files_of(cast.acme.pk, one.release_id):
                assert checked_path(file.path.encode()) == file.path
