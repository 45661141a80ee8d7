"""`install.sh` against a server that does its worst: real bash, real curl, a folder of its own, loopback only.

Every refusal has a twin: the same attack on a copy of the script without the line that refuses it must get further.
"""

import datetime as dt
import os
import pty
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.connector.install.hostile_server import (
    NAME,
    SKILL_MD,
    Answer,
    HostileServer,
    Member,
    answer_with,
    bundle,
    entry,
    error,
    packed,
    release_digest,
    serving,
    tar,
)
from tests.connector.install.machine import (
    NEW,
    OLD,
    SCRIPT,
    TOKEN,
    Machine,
    TokenShownError,
    as_tree,
    interrupted_updates,
    planted,
    put,
    tree,
)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with serving() as hostile:
        hostile.will_answer(bundle(*NEW))
        yield hostile


@pytest.fixture
def machine(tmp_path: Path, server: HostileServer) -> Machine:
    for folder in ("bin", "home", "work", "tmp"):
        (tmp_path / folder).mkdir()
    for program in ("bash", "curl"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or pytest.skip(f"needs {program}"))
    (tmp_path / "bin/python3").symlink_to(Path(sys.executable).resolve())
    script = planted(SCRIPT.read_text(), "@SITE_URL@", server.url)
    return Machine(
        tmp_path, server, planted(script, "PAUSES_SECONDS = (1, 2, 4)", "PAUSES_SECONDS = (0, 0, 0)")
    )


@pytest.fixture
def updatable(machine: Machine) -> Machine:
    put(OLD, machine.target)
    return machine


@pytest.fixture(params=["curl", "no curl"])
def either_way(request: pytest.FixtureRequest, updatable: Machine) -> Machine:
    """The old version is installed; downloads go through curl, or curl is missing."""
    if request.param == "no curl":
        (updatable.root / "bin/curl").unlink()
    return updatable


# What it is for


def test_it_installs_bytes_modes_and_names(machine: Machine) -> None:
    done = machine.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Installed pdf-tools 1.0.0 in {machine.target}\nStart a new session to use it.\n"
    assert tree(machine.target) == as_tree(NEW)
    assert machine.skills() == [NAME]
    assert machine.target.stat().st_mode & 0o7777 == machine.target.parent.stat().st_mode & 0o7777 == 0o755
    [(line, sent)] = machine.server.asked
    assert line == "POST /api/v1/install/redeem HTTP/1.1"
    assert sent["token"] == TOKEN
    assert re.fullmatch(r"[0-9a-f]{32,}", sent["redemption_key"])


def test_an_update_takes_the_place_of_the_old_version_whole(either_way: Machine) -> None:
    assert tree(either_way.target) == as_tree(OLD)
    done = either_way.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Updated pdf-tools 1.0.0 in ")
    assert tree(either_way.target) == as_tree(NEW)
    assert either_way.skills() == [NAME]


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    assert machine.install().returncode == 0
    first = tree(machine.root)
    assert machine.install().returncode == 0
    assert tree(machine.root) == first
    keys = [sent["redemption_key"] for _, sent in machine.server.asked]
    assert len(set(keys)) == 2


def test_the_folder_can_be_chosen(machine: Machine) -> None:
    for options, environment, folder in [
        (("--dir", "here/and there"), {}, "work/here/and there"),
        (("--dir", f"{machine.root}/straße"), {"LC_ALL": "C"}, "straße"),
        ((), {"CLAUDE_CONFIG_DIR": f"{machine.root}/config"}, "config/skills"),
        (("--dir", "fallback"), {"HOME": ""}, "work/fallback"),
    ]:
        assert machine.install(*options, **environment).returncode == 0
        assert tree(machine.root / folder / NAME) == as_tree(NEW)
    (machine.root / "linked").symlink_to(machine.root / "straße")
    assert "Updated" in machine.install("--dir", f"{machine.root}/linked").stdout


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_it_reads_what_every_tar_writer_writes(machine: Machine, kind: int) -> None:
    members = (*OLD, Member(path=b"%s/%s" % (b"long" * 20, b"name" * 20), mode=0o6755, content=b"x" * 513))
    raw = BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=kind) as archive:
        for member in members:
            info = tarfile.TarInfo(member.path.decode())
            info.size, info.mode, info.mtime = len(member.content), member.mode, 0.5
            archive.addfile(info, BytesIO(member.content))
    machine.server.will_answer(answer_with(packed(raw.getvalue()), digest=release_digest(members)))
    assert machine.install().returncode == 0
    assert tree(machine.target) == as_tree(members)  # among them: no setuid bit


def test_the_digest_that_was_told_may_be_short(machine: Machine) -> None:
    digest = release_digest(NEW)
    for told in (digest, digest[:23], digest[:40]):
        assert machine.install("--digest", told).returncode == 0
    for told in (digest[:22], digest + "0", digest[7:], digest.upper()):
        assert "--digest must be" in machine.install("--digest", told).stderr
    other = digest[:30] + ("0" if digest[30] != "0" else "1")
    assert machine.refuses("another release than --digest names", "--digest", other)
    faulty = planted(machine.script, " or not digest.startswith(expected)", "")
    assert machine.install("--digest", other, script=faulty).returncode == 0


def test_help_and_wrong_options(machine: Machine) -> None:
    assert "--digest sha256:HEX" in machine.install("--help").stdout
    for options in [(TOKEN,), ("--dir",), ("--digest", ""), ("--token", TOKEN)]:
        assert machine.refuses("--help", *options)
    assert machine.refuses("SKILLPORT_TOKEN is not set", SKILLPORT_TOKEN="")
    assert machine.refuses("is not an install token", SKILLPORT_TOKEN="sklp_ak_" + TOKEN[8:])
    assert machine.refuses("Name the folder", HOME="")
    assert machine.refuses("python3 is missing", PATH=str(machine.root / "tmp"))
    assert machine.server.asked == []


def test_a_copy_from_a_checkout_asks_for_the_server(machine: Machine) -> None:
    served, machine.script = machine.script, planted(machine.script, machine.server.url, "@SITE_URL@")
    assert machine.refuses("Set SKILLPORT_URL")
    for wrong in (
        "http://skills.example.org",
        "ftp://127.0.0.1",
        "https://a@b",
        "https://h/path",
        "http://localhost.x",
    ):
        assert machine.refuses("Check SKILLPORT_URL", SKILLPORT_URL=wrong)
    assert machine.install(SKILLPORT_URL=machine.server.url + "/").returncode == 0
    assert machine.install(script=served, SKILLPORT_URL="https://elsewhere.example.org").returncode == 0


def test_the_token_can_be_typed_unseen(machine: Machine) -> None:
    (machine.root / "install.sh").write_text(machine.script)
    keyboard, terminal = pty.openpty()
    bash = subprocess.Popen(
        [machine.root / "bin/bash", machine.root / "install.sh"],
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": str(machine.root / "bin"), "HOME": str(machine.root / "home")},
    )
    with bash, os.fdopen(keyboard, "r+b", buffering=0) as person:
        assert bash.stderr is not None
        assert bash.stderr.read(len("Install token: ")) == b"Install token: "  # echo is off by now
        person.write(TOKEN.encode() + b"\n")
        assert bash.wait() == 0
        assert TOKEN.encode() not in bash.stderr.read()
        os.set_blocking(keyboard, False)
        assert TOKEN.encode() not in (person.read(9999) or b"")
        os.close(terminal)


# Where the token goes


def processes_that_show(secret: str) -> list[str]:
    """Names of processes whose arguments hold the secret, or of curls whose environment does."""
    shown = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes() if b"curl" in arguments[:20] else b""
        except OSError:
            continue  # it ended, or is not ours
        if secret.encode() in arguments + environment:
            shown.append(arguments.split(b"\0")[0].decode())
    return shown


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes through /proc")
def test_no_process_shows_the_token(machine: Machine) -> None:
    seen: list[str] = []
    machine.server.meanwhile = lambda: seen.extend(processes_that_show(TOKEN))
    assert machine.install().returncode == 0
    assert (len(machine.server.asked), seen) == (1, [])
    assert machine.install(script=planted(machine.script, '"@-"', "body.decode()")).returncode == 0
    assert seen
    seen.clear()
    faulty = planted(machine.script, 'os.environ.pop("SKILLPORT_TOKEN")', 'os.environ["SKILLPORT_TOKEN"]')
    assert machine.install(script=faulty).returncode == 0
    assert seen


def test_a_trace_does_not_print_the_token(machine: Machine) -> None:
    machine.install(SHELLOPTS="xtrace")  # checked in every run
    with pytest.raises(TokenShownError):
        machine.install(script=planted(machine.script, "set +x -euo", "set -euo"), SHELLOPTS="xtrace")


def test_modules_that_lie_about_are_not_run(machine: Machine) -> None:
    (machine.root / "work/json.py").write_text("open('escaped', 'w'); raise SystemExit")
    (machine.root / "home/usercustomize.py").write_text("open('escaped', 'w')")
    hostile = {"PYTHONPATH": str(machine.root / "home"), "PYTHONSTARTUP": "json.py"}
    assert machine.install(**hostile).returncode == 0
    assert not (machine.root / "work/escaped").exists()
    machine.install(script=planted(machine.script, "python3 -I -S", "python3 -S"))
    assert (machine.root / "work/escaped").exists()


def test_loopback_goes_through_no_proxy(either_way: Machine) -> None:
    with serving() as proxy:
        proxy.will_answer(bundle(*NEW))
        assert (
            either_way.install(http_proxy=proxy.url, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url).returncode
            == 0
        )
        assert proxy.asked == []
        if (either_way.root / "bin/curl").exists():
            faulty = planted(either_way.script, '"=http", "--noproxy", "*"]', '"=http"]')
            either_way.install(script=faulty, http_proxy=proxy.url)
            assert proxy.asked


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_server_that_cannot_prove_its_name_gets_no_token(
    either_way: Machine, self_signed: ssl.SSLContext
) -> None:
    with serving(self_signed) as impostor:
        impostor.will_answer(bundle(*NEW))
        either_way.script = planted(
            either_way.script, either_way.server.url, impostor.url.replace("127.0.0.1", "localhost")
        )
        assert either_way.refuses("Check the network")
        assert impostor.asked == []
        if (either_way.root / "bin/curl").exists():
            faulty = planted(either_way.script, '"--globoff"', '"--insecure"')
            assert either_way.install(script=faulty).returncode == 0


# What the server may answer


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(either_way: Machine, status: int) -> None:
    (either_way.root / "home/.curlrc").write_text("location\n")
    elsewhere = error(status, "", Location=either_way.server.url + "/elsewhere")
    either_way.server.will_answer(elsewhere, bundle(*NEW))
    assert either_way.refuses("follows no redirect")
    assert len(either_way.server.asked) == 1
    if (either_way.root / "bin/curl").exists():
        either_way.server.will_answer(elsewhere, bundle(*NEW))
        either_way.install(script=planted(either_way.script, '"--disable", ', ""))
        assert len(either_way.server.asked) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 500])
def test_the_servers_own_words_are_shown(either_way: Machine, status: int) -> None:
    either_way.server.will_answer(error(status, "This token was used. Ask for another."))
    assert either_way.refuses("This token was used. Ask for another.")
    assert len(either_way.server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(404, "\x1b]0;pwned\x07\u202eok"), "?]0;pwned??ok"),
        (error(404, "x" * 10_000), "x" * 300),
        (error(404, None), "status 404"),
        (Answer(status=404, body=b"<h1>Not Found</h1>"), "status 404"),
        (Answer(status=500, body=b'{"error":' * 200_000), "status 500"),
        (Answer(status=403, body=b'{"error": ["message"]}'), "status 403"),
        (Answer(status=204), "status 204"),
    ],
)
def test_other_words_are_made_harmless(either_way: Machine, answer: Answer, says: str) -> None:
    either_way.server.will_answer(answer)
    assert either_way.refuses(says)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 200 OK\nno",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(either_way: Machine, raw: bytes) -> None:
    either_way.server.will_answer(Answer(raw=raw))
    assert either_way.refuses("")
    assert len({sent["redemption_key"] for _, sent in either_way.server.asked}) == 1


def test_interim_answers_are_passed_over(either_way: Machine) -> None:
    honest = bundle(*NEW)
    head = "".join(f"{name}: {value}\r\n" for name, value in honest.headers.items()).encode()
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n" + head + b"\r\n" + honest.body
    either_way.server.will_answer(Answer(raw=raw))
    done = either_way.install()
    if (either_way.root / "bin/curl").exists():  # http.client before 3.12 knows only 100
        assert done.returncode == 0


def test_a_broken_connection_is_tried_again_with_the_same_key(either_way: Machine) -> None:
    honest = bundle(*NEW)
    trouble = [replace(honest, cut_at=200), Answer(raw=b""), error(503, "Wait a little.")]
    either_way.server.will_answer(*trouble, honest)
    assert either_way.install().returncode == 0
    assert tree(either_way.target) == as_tree(NEW)
    assert len(either_way.server.asked) == 4
    assert len({sent["redemption_key"] for _, sent in either_way.server.asked}) == 1
    either_way.server.asked.clear()
    either_way.server.will_answer(*trouble, honest)
    faulty = planted(
        either_way.script,
        "post(site, body, ",
        "post(site, body[:-9] + os.urandom(3).hex().encode() + b'\"}', ",
    )
    either_way.install(script=faulty)
    assert len({sent["redemption_key"] for _, sent in either_way.server.asked}) == 4


def test_a_server_that_holds_the_line_does_not_hold_the_install(either_way: Machine) -> None:
    either_way.server.will_answer(replace(bundle(*NEW), held=True))
    assert either_way.install().returncode == 0


def test_a_server_that_stalls_is_left_after_a_while(either_way: Machine) -> None:
    either_way.script = planted(either_way.script, "= 20, 120", "= 20, 1")
    either_way.server.will_answer(replace(bundle(*NEW), cut_at=200, held=True))
    assert either_way.refuses("the download failed")


def test_it_gives_up_after_three_more_tries(either_way: Machine) -> None:
    either_way.server.will_answer(error(503, "Wait a little."))
    assert either_way.refuses("Wait a little.")
    assert len(either_way.server.asked) == 4


def test_a_break_at_any_offset_leaves_the_old_version(updatable: Machine) -> None:
    honest = bundle(*NEW)
    for offset in range(0, len(honest.body), len(honest.body) // 6):
        updatable.server.will_answer(replace(honest, cut_at=offset))
        assert updatable.refuses("the download failed")


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_archive_is_refused(updatable: Machine, tenth: int) -> None:
    honest = bundle(*NEW)
    updatable.server.will_answer(replace(honest, body=honest.body[: len(honest.body) * tenth // 10]))
    assert updatable.refuses("the archive is damaged")


def test_installs_at_the_same_time_do_not_disturb_each_other(updatable: Machine) -> None:
    runs = [updatable.start() for _ in range(4)]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write(updatable.script.encode())
        run.stdin.close()
        run.stdin = None
    assert [run.communicate() and run.returncode for run in runs] == [0, 0, 0, 0]
    assert tree(updatable.target) == as_tree(NEW)
    assert updatable.skills() == [NAME]


# What the archive may hold


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
    assert sorted(skills.iterdir()) == sorted([updatable.target, recent, link, *foreign])


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
        machine.script, "        swap(fresh, target)", "        shutil.rmtree(target); swap(fresh, target)"
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
