"""`install.sh` against a server that does its worst: real bash, real curl, a folder of its own, loopback only.

Every refusal has a twin: the same attack on a copy of the script without the line that refuses it must get further.
"""

import datetime as dt
import os
import pty
import re
import ssl
import subprocess
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.connector.install.hostile_server import (
    NAME,
    Answer,
    Member,
    answer_with,
    bundle,
    error,
    packed,
    release_digest,
    serving,
)
from tests.connector.install.machine import (
    NEW,
    OLD,
    TOKEN,
    Machine,
    TokenShownError,
    as_tree,
    planted,
    tree,
)

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
