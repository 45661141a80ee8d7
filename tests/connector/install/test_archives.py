"""What an archive may hold, and that `install.sh` refuses everything else.

Every refusal has a twin: the same attack on a copy of the script without the line that refuses it must get further.
"""

import os
import re
import tarfile
from dataclasses import replace

import pytest

from tests.connector.install.hostile_server import (
    SKILL_MD,
    Answer,
    Member,
    answer_with,
    bundle,
    entry,
    packed,
    release_digest,
    tar,
)
from tests.connector.install.machine import (
    NEW,
    Machine,
    planted,
    tree,
)

PLAIN, TWINS, NO_FILE = "is not a plain relative path", "are one on some systems", "is not a file"
ESCAPE = b"../../../escaped"  # to the home folder
HOSTILE_PATHS: list[tuple[str, bytes]] = [
    (PLAIN, ESCAPE),
    (PLAIN, b"a/../" + ESCAPE),
    (PLAIN, b"/tmp/skillport-test-escaped"),
    (PLAIN, b"./a"),
    (PLAIN, b"a/."),
    (PLAIN, b"a//b"),
    (PLAIN, b"a/"),
    ("begins with ~ or -", b"~/.bashrc"),
    ("begins with ~ or -", b"a/~root"),
    ("begins with ~ or -", b"-rf"),
    ("begins with ~ or -", b"a/--help"),
    ("has a backslash", b"..\\..\\escaped"),
    ("has a control character", b"a\0b"),
    ("has a control character", b"a\nb"),
    ("has a control character", b"a\x1b[2Jb"),
    ("has a control character", b"a\x7fb"),
    ("has a control character", "a\x85b".encode()),
    ("is not in Unicode form NFC", "cafe\u0301".encode()),
    ("is not UTF-8", b"caf\xe9"),
    ("is not UTF-8", b"\xed\xa0\x80"),
    ("is not UTF-8", b"..\xc0\xaf..\xc0\xafescaped"),
    ("ends with a dot or space", b"a./b"),
    ("ends with a dot or space", b"a "),
    ("ends with a dot or space", b"..."),
    ("is too long", b"a" * 101),
    ("is too long", "é".encode() * 51),
    ("is too long", b"/".join([b"a" * 79] * 5 + [b"b"])),
]


@pytest.mark.parametrize(("says", "path"), HOSTILE_PATHS)
def test_a_path_that_is_not_plain_is_refused(updatable: Machine, says: str, path: bytes) -> None:
    updatable.server.will_answer(bundle(*NEW, Member(path=path, content=b"evil")))
    assert updatable.refuses(says)
    [fault] = [line for line in updatable.script.splitlines() if f'{says}": ' in line]
    updatable.script = planted(
        updatable.script, "        if found:", f"        if found and fault not in {fault!r}:"
    )
    if b"\0" not in path:  # which Python itself would refuse, with a crash
        assert not updatable.refuses(says)


def test_without_the_path_rules_it_would_escape(machine: Machine) -> None:
    machine.script = planted(machine.script, "        if found:", "        if False:")
    for path in (ESCAPE, os.fsencode(machine.root / "home/escaped")):
        machine.server.will_answer(bundle(*NEW, Member(path=path, content=b"evil")))
        machine.install()
        (machine.root / "home/escaped").unlink()


@pytest.mark.parametrize(
    "paths",
    [
        (b"README.md", b"readme.md"),
        ("stra\u00dfe".encode(), b"STRASSE"),
        ("\ufb01le".encode(), b"file"),
        ("\u00e9".encode(), "\u00c9".encode()),
        (b"skill.MD",),
        (b"SKILL.md",),
        (b"a", b"a/b"),
        (b"a/b", b"A"),
        (b"a/b/c/d", b"a/B"),
        (b"skill.md/a",),
    ],
)
def test_names_that_some_systems_take_for_one_are_refused(
    updatable: Machine, paths: tuple[bytes, ...]
) -> None:
    updatable.server.will_answer(bundle(SKILL_MD, *(Member(path=path) for path in paths)))
    assert updatable.refuses(TWINS)
    clash = "len(set(keys)) < len(keys) or not folders.isdisjoint(keys)"
    updatable.script = planted(updatable.script, clash, "False")
    assert not updatable.refuses(TWINS)


def test_should_two_names_meet_on_disk_nothing_is_overwritten(updatable: Machine) -> None:
    updatable.server.will_answer(bundle(SKILL_MD, SKILL_MD))
    clash = "len(set(keys)) < len(keys) or not folders.isdisjoint(keys)"
    updatable.script = planted(updatable.script, clash, "False")
    assert updatable.refuses("File exists")
    assert updatable.install(script=planted(updatable.script, " | os.O_EXCL", "")).returncode == 0


@pytest.mark.parametrize(
    "kind",
    # Hard and symbolic links, devices, a folder, a queue; then contiguous, sparse, GNU's and pax' global records.
    [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"K", b"D", b"V", b"g"],
)
def test_whatever_is_not_a_file_is_refused(updatable: Machine, kind: bytes) -> None:
    through = Member(path=b"link/.bashrc", content=b"evil")
    updatable.server.will_answer(bundle(SKILL_MD, Member(path=b"link", kind=kind, link="/tmp"), through))
    assert updatable.refuses(NO_FILE)
    updatable.script = planted(updatable.script, 'elif kind in (b"0", b"\\0"):', "elif kind:")
    assert not updatable.refuses(NO_FILE)


GOOD_TAR = tar(NEW)


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Sign in</title>",
        packed(GOOD_TAR) + b"more",
        packed(GOOD_TAR) * 2,
        packed(GOOD_TAR)[:-8] + bytes(8),
        packed(GOOD_TAR[:100]),
        packed(GOOD_TAR[:515]),
        packed(GOOD_TAR[:9_000]),
        packed(GOOD_TAR[:124] + b"-0000000017\0" + GOOD_TAR[136:]),
        packed(GOOD_TAR[:124] + b"\xff" * 12 + GOOD_TAR[136:]),
        packed(GOOD_TAR[:124] + b"\x80" + b"\x7f" * 11 + GOOD_TAR[136:]),
        packed(GOOD_TAR[:124] + b" " * 12 + GOOD_TAR[136:]),
        packed(GOOD_TAR[:124] + b"77777777777\0" + GOOD_TAR[136:]),
        packed(entry("pax", b"0 path=a\n", kind=tarfile.XHDTYPE) + GOOD_TAR),
        packed(entry("pax", b"99 path=a\n", kind=tarfile.XHDTYPE) + GOOD_TAR),
        packed(entry("pax", b"x path=a\n", kind=tarfile.XHDTYPE) + GOOD_TAR),
        packed(os.urandom(5000)),
    ],
)
def test_a_damaged_archive_is_refused(updatable: Machine, body: bytes) -> None:
    updatable.server.will_answer(answer_with(body, digest=release_digest(NEW)))
    assert updatable.refuses("the archive is damaged")
    updatable.script = re.sub(
        r"raise Refusal\(DAMAGED\)( from None)?", "raise Refusal('planted')", updatable.script
    )
    assert updatable.refuses("planted")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is damaged"),
        (packed(b""), "has no SKILL.md"),
        (packed(bytes(1024)), "has no SKILL.md"),
        (packed(tar([Member(path=b"skill.md")])), "has no SKILL.md"),
        (packed(tar([Member(path=b"a/SKILL.md")])), "has no SKILL.md"),
        (packed(entry("pax", b"1" * 30_000_000, kind=tarfile.XHDTYPE) + GOOD_TAR), NO_FILE),
        (packed(tar(NEW[:-1])), "not those that the digest names"),
        (packed(tar([replace(NEW[0], mode=0o755), *NEW[1:]])), "not those that the digest names"),
        (packed(tar([replace(NEW[0], content=b"other"), *NEW[1:]])), "not those that the digest names"),
    ],
)
def test_an_archive_of_something_else_is_refused(updatable: Machine, body: bytes, says: str) -> None:
    updatable.server.will_answer(answer_with(body, digest=release_digest(NEW)))
    assert updatable.refuses(says)


def test_without_the_digest_it_would_be_installed(updatable: Machine) -> None:
    updatable.server.will_answer(answer_with(packed(tar(NEW[:-1])), digest=release_digest(NEW)))
    assert (
        updatable.install(
            script=planted(updatable.script, "if release_digest(files) != digest:", "if False:")
        ).returncode
        == 0
    )


MIB = 1 << 20
BIG = {
    "file": bundle(SKILL_MD, Member(path=b"zeros", content=bytes(64 * MIB))),
    "files": bundle(SKILL_MD, *(Member(path=b"%d" % number) for number in range(2_000))),
    "bomb": answer_with(packed(bytes(100 * MIB))),
}


@pytest.mark.parametrize("what", BIG)
def test_more_than_the_limits_is_refused(updatable: Machine, what: str) -> None:
    updatable.server.will_answer(BIG[what])
    assert updatable.refuses("more than 64 MiB or 2000 files")
    script = planted(updatable.script, "MAX_BYTES = 64 << 20", "MAX_BYTES = 96 << 20")
    script = planted(script, "= 2000, 400", "= 2001, 400")
    assert "the server sent more than" not in updatable.install(script=script).stderr


def test_a_download_that_is_too_long_is_not_waited_for(either_way: Machine) -> None:
    either_way.server.will_answer(replace(answer_with(bytes(MIB)), endless=True))
    assert either_way.refuses("more than 64 MiB")
    announced = {**answer_with(b"").headers, "Content-Length": str(64 * MIB + 1)}
    either_way.server.will_answer(Answer(headers=announced, body=b"x", held=True))
    either_way.script = planted(either_way.script, "= 20, 120", "= 20, 1")
    with_curl = (either_way.root / "bin/curl").exists()
    assert either_way.refuses("more than 64 MiB" if with_curl else "the download failed")


def test_as_much_as_the_limits_is_installed(machine: Machine) -> None:
    members = (
        Member(path=b"SKILL.md", content=bytes(64 * MIB)),
        *(Member(path=b"%d" % n) for n in range(1_999)),
    )
    machine.server.will_answer(bundle(*members))
    assert machine.install().returncode == 0
    assert len(tree(machine.target)) == 2_000


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "../x", "a/b", "x" * 101, "x.", "a b", "é", "con", "NUL.txt", "com1"]
)
def test_a_name_that_is_no_folders_is_refused(updatable: Machine, name: str) -> None:
    updatable.server.will_answer(bundle(*NEW, name=name))
    assert updatable.refuses("whose name is not allowed")
    assert not replace(
        updatable, script=planted(updatable.script, "SKILL_NAME.fullmatch(name)", "True")
    ).refuses("not allowed")


def test_an_answer_without_headers_is_refused(updatable: Machine) -> None:
    for answer in (Answer(headers={"Content-Type": "text/html"}, body=b"<title>Sign in</title>"), Answer()):
        updatable.server.will_answer(answer)
        assert updatable.refuses("sent no skill")
    for digest in ("", "sha256:", "md5:" + "0" * 64, "sha256:" + "0" * 63, "sha256:" + "g" * 64):
        updatable.server.will_answer(answer_with(packed(GOOD_TAR), digest=digest))
        assert updatable.refuses("another release")


def test_a_version_cannot_steer_the_terminal(machine: Machine) -> None:
    machine.server.will_answer(bundle(*NEW, version="\x1b[2J1.0"))
    assert "Installed pdf-tools ?[2J1.0 in " in machine.install().stdout
