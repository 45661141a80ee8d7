#!/usr/bin/env bash
#
# Installs one skill from a Skillport server. The server's tool prints the command:
#
#   curl -fsSL https://skills.example.org/install.sh | SKILLPORT_TOKEN=sklp_it_... bash
#
# The token buys one release of one skill, once. What arrives is checked whole before anything is written, and takes
# the place of the installed version in one step: whatever goes wrong, the old version or the new one is there, whole.
# A version that somebody has changed, or made, is kept in .skillport/replaced beside the skills.
#
# Needs bash 3.2 and python3 3.8 or later, nothing else; downloads with curl where there is one.
# Everything is in functions that the last line starts, so a download of this file that breaks off does nothing.

# SECURITY: +x, because a trace (`bash -x`) would print the token.
set +x -euo pipefail
umask 022

# The server puts its own address here. A copy from a checkout keeps the placeholder and asks SKILLPORT_URL.
SITE='@SITE_URL@'

main() {
  local site=$SITE token=${SKILLPORT_TOKEN:-} directory='' digest=''
  unset SKILLPORT_TOKEN
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help) usage && return ;;
      --dir) directory=${2:-} ;;
      --digest) digest=${2:-} ;;
      # SECURITY: not repeated in the message, because a token pasted in the wrong place ends up here.
      *) fail 'unknown option. Run it with --help to see what there is; the token goes into SKILLPORT_TOKEN.' ;;
    esac
    [[ -n ${2:-} ]] || fail "$1 needs a value. Run it with --help to see what it takes."
    shift 2
  done

  if [[ $site == @*@ ]]; then
    site=${SKILLPORT_URL:-}
    [[ -n $site ]] || fail 'no server is known. Set SKILLPORT_URL to its address, as in https://skills.example.org.'
  fi
  if [[ -z $directory ]]; then
    [[ -n ${CLAUDE_CONFIG_DIR:-}${HOME:-} ]] || fail 'HOME is not set. Name the folder for skills with --dir.'
    directory=${CLAUDE_CONFIG_DIR:-$HOME/.claude}/skills
  fi
  command -v python3 >/dev/null || fail 'python3 is missing. Install Python 3.8 or later and run the command again.'
  if [[ -z $token && -t 0 ]]; then # piped from curl, stdin is this script and holds no answer
    IFS= read -rsp 'Install token: ' token && printf '\n' >&2
  fi
  [[ -n $token ]] || fail 'SKILLPORT_TOKEN is not set. Ask for an install command and run it as it was printed.'
  install_skill "$site" "$directory" "$digest"
}

usage() {
  printf '%s\n' \
    'Installs one skill. Give the install token in SKILLPORT_TOKEN, or type it when asked.' \
    '' \
    '  --dir DIR             folder that holds skills (default: ~/.claude/skills, or under CLAUDE_CONFIG_DIR)' \
    '  --digest sha256:HEX   install only this release; the first 16 hex digits are enough' \
    '  --help                show this'
}

fail() {
  printf 'skillport: %s\n' "$1" >&2
  exit 1
}

install_skill() { # site, folder that holds skills, expected digest or ''
  local program
  IFS= read -r -d '' program <<'PYTHON' || true
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
import unicodedata
import zlib

ADDRESS = "/api/v1/install/redeem"
MAX_BYTES = 64 << 20  # of the archive, and again of the files in it
MAX_TAR_BYTES = MAX_BYTES + (8 << 20)  # the files, and 4 KiB of headers and padding for each
MAX_FILES, MAX_PATH_BYTES, MAX_PART_BYTES = 2000, 400, 100
CONNECT_SECONDS, TOTAL_SECONDS = 20, 120  # the server answers a repeated key for 120 seconds
PAUSES_SECONDS = (1, 2, 4)
ABANDONED_SECONDS = 3600
LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
KEPT, RECORDS = os.path.join(".skillport", "replaced"), os.path.join(".skillport", "installed")
MADE_BY_USE = {"__pycache__", ".DS_Store"}  # come into a folder without anybody having changed it
SKILL_NAME = re.compile(r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)(\.|$))[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# Name resolution, connecting, broken transfers, timeouts: `man curl`, EXIT CODES.
PASSING_CURL_CODES = (5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92)
REPORT = "Nothing was changed; tell the server's administrator."
DAMAGED = "the archive is damaged. Nothing was changed; ask for a new install command."
TOO_LARGE = f"the server sent more than {MAX_BYTES >> 20} MiB or {MAX_FILES} files. {REPORT}"


class Refusal(Exception):
    """Ends the run. Its text is for the person: what is wrong, and what to do."""


class Passing(Refusal):
    """A failure that the next try may not meet."""


def main(site, folder, expected):
    token = os.environ.pop("SKILLPORT_TOKEN").strip()  # children have no use for it
    site, folder = site.rstrip("/"), os.path.abspath(folder)
    if not LOOPBACK.fullmatch(site) and not re.fullmatch(r"https://[^\s/?#@\\]+", site):
        raise Refusal("the server's address must look like https://skills.example.org. Check SKILLPORT_URL.")
    if not re.fullmatch(r"sklp_it_[0-9A-Za-z]+", token):
        raise Refusal("SKILLPORT_TOKEN is not an install token (sklp_it_...). Ask for a new install command.")
    if expected and not re.fullmatch(r"sha256:[0-9a-f]{16,64}", expected):
        raise Refusal("--digest must be sha256: and 16 to 64 hex digits. Copy it again from where you were told it.")
    clean_up_after_killed_runs(folder)

    headers, archive = redeem(site, token)
    name, digest = headers.get("x-skillport-skill", ""), headers.get("x-skillport-digest", "")
    if not SKILL_NAME.fullmatch(name):
        raise Refusal(f"the server sent no skill, or one whose name is not allowed. {REPORT}")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or not digest.startswith(expected):
        raise Refusal("the server sent another release than --digest names. Ask for a new install command.")
    files = unpack(archive)
    if release_digest(files) != digest:
        raise Refusal(f"the files are not those that the digest names. {REPORT}")
    done, kept = put_in_place(files, folder, name)
    print(done, name, printable(headers.get("x-skillport-version", "")), "in", os.path.join(folder, name))
    if kept:
        print("What was there had been changed, or came from elsewhere. It is kept in", kept)
    print("Start a new session to use it.")


def clean_up_after_killed_runs(folder):
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        left = re.fullmatch(r"\.skillport-(.+)-[0-9a-f]{16}(\.own)?(\.old)?", entry.name)
        if not left or not entry.is_dir(follow_symlinks=False):
            continue
        target = os.path.join(folder, left[1])
        with contextlib.suppress(OSError):  # another run was quicker, or it is not ours to move
            if left[3] and not os.path.lexists(target):
                os.rename(entry.path, target)  # that run was killed between the two renames of `swap`
            elif time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS:
                put_away(entry.path, folder, left[1]) if left[2] else shutil.rmtree(entry.path, ignore_errors=True)


def redeem(site, token):
    """Exchange the token for headers (names in lower case) and archive.

    Every try carries the same key: to it the server gives the same bytes again, to another key nothing.
    """
    body = json.dumps({"token": token, "redemption_key": secrets.token_hex(32)}).encode()
    post = post_with_curl if shutil.which("curl") else post_with_python
    ends_at = time.monotonic() + TOTAL_SECONDS
    for pause in (*PAUSES_SECONDS, None):
        try:
            status, headers, content = post(site, body, int(ends_at - time.monotonic()) + 1)
            if len(content) > MAX_BYTES:
                raise Refusal(TOO_LARGE)
            if status == 200:
                return headers, content
            raise (Passing if status == 503 else Refusal)(complaint(status, content))
        except Passing:
            if pause is None or time.monotonic() + pause > ends_at:
                raise
            time.sleep(pause)


def post_with_curl(site, body, seconds):
    """Give status, headers and content. curl comes first because it knows the system's certificates and proxies."""
    command = ["curl", "--disable", "--silent", "--show-error", "--globoff", "--include", "--suppress-connect-headers"]
    command += ["--connect-timeout", str(CONNECT_SECONDS), "--max-time", str(seconds)]
    command += ["--max-filesize", str(MAX_BYTES), "--header", "Content-Type: application/json", "--data-binary", "@-"]
    # SECURITY: --disable, or a ~/.curlrc could follow redirects. Plain http stays on this machine: no proxy sees it.
    command += ["--proto", "=http", "--noproxy", "*"] if LOOPBACK.fullmatch(site) else ["--proto", "=https"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, site + ADDRESS], stdin=pipe, stdout=pipe, stderr=pipe) as curl:
        curl.stdin.write(body)
        curl.stdin.close()
        answer = curl.stdout.read(2 * MAX_BYTES)
        if len(answer) == 2 * MAX_BYTES:  # before version 8.4, --max-filesize looks at announced lengths only
            curl.kill()
            raise Refusal(TOO_LARGE)
        trouble = curl.stderr.read().decode(errors="replace")
    if curl.returncode == 63:
        raise Refusal(TOO_LARGE)
    if curl.returncode:
        raise (Passing if curl.returncode in PASSING_CURL_CODES else Refusal)(no_answer(trouble))
    head, status = b"", None
    while answer and not status:  # interim answers (1xx) come before the real one
        head, _, answer = answer.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/\S+ ([2-9]\d\d)", head)
    fields = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return int(status[1]) if status else 0, {name.lower(): value.strip() for name, _, value in fields}, answer


def post_with_python(site, body, seconds):
    """Do the same where curl is missing. http.client follows no redirects and asks no proxies."""
    import http.client  # here, because few machines come this way

    def too_late(*_):
        raise TimeoutError("it took too long")

    scheme, _, host = site.partition("://")
    connect = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = connect(host, timeout=CONNECT_SECONDS)
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)  # the timeout above is for each piece that arrives, however small
    try:
        connection.request("POST", ADDRESS, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(MAX_BYTES + 1)
        if answer.length and len(content) <= MAX_BYTES:
            raise ConnectionError("the answer was cut short")
    except (OSError, http.client.HTTPException) as error:
        raise Passing(no_answer(str(error))) from None
    finally:
        signal.alarm(0)
        connection.close()
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}, content


def complaint(status, content):
    """Say why there is no skill, in the server's own words where it has some."""
    if 300 <= status < 400:
        return f"the server redirects, and an install follows no redirect. {REPORT}"
    try:
        return printable(json.loads(content)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"the server answered with status {status}. Try again later, or tell its administrator."


def no_answer(trouble):
    return f"the download failed. Check the network, then run the command again. ({printable(trouble.strip())})"


def printable(text):
    """SECURITY: what a server sends must not steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:300])


def unpack(archive):
    """Give [(path, executable, content)] of a .tar.gz in which every path may be written; writes nothing."""
    gunzip = zlib.decompressobj(wbits=31)
    try:
        tar = gunzip.decompress(archive, MAX_TAR_BYTES + 1)
    except zlib.error:
        raise Refusal(DAMAGED) from None
    if len(tar) > MAX_TAR_BYTES:
        raise Refusal(TOO_LARGE)
    if not gunzip.eof or gunzip.unused_data:
        raise Refusal(DAMAGED)
    files = list(tar_members(tar))
    if len(files) > MAX_FILES or sum(len(content) for _, _, content in files) > MAX_BYTES:
        raise Refusal(TOO_LARGE)
    keys = [unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold()) for path, _, _ in files]
    folders = {key[:end] for key in keys for end, character in enumerate(key) if character == "/"}
    if len(set(keys)) < len(keys) or not folders.isdisjoint(keys):
        raise Refusal(f"two names in the archive are one on some systems. {REPORT}")
    if "SKILL.md" not in (path for path, _, _ in files):
        raise Refusal(f"the archive has no SKILL.md. {REPORT}")
    return files


def tar_members(tar):
    """Yield (path, executable, content) of each member, which must be a file.

    `tarfile` would also understand links, devices and sparse files, and in Pythons that are still in use it takes
    days over some headers (CVE-2024-6232). This reads what a bundle is made of, and refuses the rest.
    """
    at, long_path = 0, None
    while tar[at : at + 512].strip(b"\0"):
        head = tar[at : at + 512]
        size, kind = octal(head[124:136]), head[156:157]
        content = tar[at + 512 : at + 512 + size]
        at += 512 + (size + 511) // 512 * 512
        if len(content) < size:
            raise Refusal(DAMAGED)
        if kind in (b"x", b"L") and size <= 4096:  # a path that is long or not ASCII, for the next member
            long_path = pax_path(content) if kind == b"x" else content.rstrip(b"\0")
        elif kind in (b"0", b"\0"):
            name, prefix = (field.partition(b"\0")[0] for field in (head[:100], head[345:500]))
            if prefix and head[257:263] == b"ustar\0":
                name = prefix + b"/" + name
            yield checked_path(long_path or name), bool(octal(head[100:108]) & 0o100), content
            long_path = None
        else:
            raise Refusal(f"the archive holds something that is not a file. {REPORT}")


def octal(field):
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]+", digits):
        raise Refusal(DAMAGED)
    return int(digits, 8)


def pax_path(records):
    """Find `path` in records of the form b"<length> <key>=<value>\n"; the length is that of the whole record."""
    path = None
    while records:
        record = re.match(rb"(\d{1,4}) ([^=]+)=", records)
        if not record or not record.end() < int(record[1]) <= len(records):
            raise Refusal(DAMAGED)
        if record[2] == b"path":
            path = records[record.end() : int(record[1]) - 1]
        records = records[int(record[1]) :]
    return path


def checked_path(raw_path):
    """Decode a path that means one and the same place below the skill on every system; refuse any other."""
    path = raw_path.decode(errors="replace")
    parts = path.split("/")
    faults = {
        "is not UTF-8": path.encode() != raw_path,
        "is too long": len(raw_path) > MAX_PATH_BYTES or max(len(part.encode()) for part in parts) > MAX_PART_BYTES,
        "is not in Unicode form NFC": unicodedata.normalize("NFC", path) != path,
        "has a backslash": "\\" in path,
        "has a control character": any(unicodedata.category(character) == "Cc" for character in path),
        "is not a plain relative path": not {"", ".", ".."}.isdisjoint(parts),
        "has a part that begins with ~ or -": any(part.startswith(("~", "-")) for part in parts),
        "has a part that ends with a dot or space": any(part.endswith((".", " ")) for part in parts),
    }
    for fault, found in faults.items():
        if found:
            raise Refusal(f"{ascii(path)} in the archive {fault}. {REPORT}")
    return path


def release_digest(files):
    """SHA-256 over one line of mode, SHA-256 and path for each file, in the order of the paths' bytes."""
    lines = (
        f"{'100755' if executable else '100644'} {hashlib.sha256(content).hexdigest()} {path}\n"
        for path, executable, content in sorted(files, key=lambda file: file[0].encode())
    )
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def put_in_place(files, folder, name):
    """Write the files beside the target and swap the two. Gives which it was, an installation or an update, and where
    somebody's own version of it is kept now."""
    target = os.path.join(folder, name)
    if os.path.islink(target):
        raise Refusal(f"{target} is a symbolic link, and an install follows none. Remove it, or choose another --dir.")
    update = os.path.lexists(target)
    if update and not os.path.isfile(os.path.join(target, "SKILL.md")):
        raise Refusal(f"something else lies at {target}: it has no SKILL.md. Move it away, or choose another --dir.")
    fresh = os.path.join(folder, f".skillport-{name}-{secrets.token_hex(8)}")
    own, mark = fresh + ".own", release_digest([file for file in files if not made_by_use(file[0])])
    os.makedirs(folder, exist_ok=True)
    os.mkdir(fresh)
    try:
        write(files, fresh)
        try:
            os.rename(fresh, own)  # after the swap it may be what somebody wrote: no run deletes that unseen
            swap(own, target)
        except BaseException:
            if holds(own, mark):
                os.rename(own, fresh)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    kept = put_away(own, folder, name)
    note(folder, name, mark)
    flush(folder)
    return "Updated" if update else "Installed", kept


def put_away(replaced, folder, name):
    """Delete what an install wrote, and keep what somebody changed or made. Gives where, or ''."""
    if not os.path.lexists(replaced):
        return ""
    try:
        with open(os.path.join(folder, RECORDS, name), encoding="ascii") as file:
            mark = file.read()
    except (OSError, ValueError):
        mark = ""
    if holds(replaced, mark):
        shutil.rmtree(replaced, ignore_errors=True)
        return ""
    shelf = os.path.join(folder, KEPT)
    kept = os.path.join(shelf, f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    try:
        os.makedirs(shelf, exist_ok=True)
        mode = stat.S_IMODE(os.lstat(replaced).st_mode)
        os.chmod(replaced, mode | 0o700)  # whoever moves a folder to another one must be able to write it
        os.rename(replaced, kept)
        os.chmod(kept, mode)
    except OSError:
        return replaced if os.path.lexists(replaced) else shelf  # it stays; or another run was quicker
    return kept


def holds(root, mark):
    """Tell whether the files there are exactly those of the release with this mark."""
    try:
        return release_digest(list(files_below(root))) == mark
    except (OSError, ValueError):
        return False


def files_below(root):
    """Yield (path, executable, content) of every file that use has not made. Raises ValueError or OSError for what no
    install writes."""

    def refuse(error):
        raise error

    count = size = 0
    for folder, folders, names in os.walk(root, onerror=refuse):
        if any(os.path.islink(os.path.join(folder, name)) for name in folders):
            raise ValueError(folder)
        folders[:] = [name for name in folders if not made_by_use(name)]
        for name in names:
            place = os.path.join(folder, name)
            if made_by_use(name):
                continue
            found = os.lstat(place)
            count, size = count + 1, size + found.st_size
            if not stat.S_ISREG(found.st_mode) or count > MAX_FILES or size > MAX_BYTES:
                raise ValueError(place)
            with open(place, "rb") as file:
                yield os.path.relpath(place, root), bool(found.st_mode & 0o100), file.read()


def made_by_use(path):
    return not MADE_BY_USE.isdisjoint(path.split("/"))


def note(folder, name, mark):
    """Remember what was installed, so that the next install knows whether somebody changed it. Without it, it is kept."""
    records = os.path.join(folder, RECORDS)
    fresh = os.path.join(records, f"{name}.{secrets.token_hex(8)}")
    with contextlib.suppress(OSError):
        os.makedirs(records, exist_ok=True)
        with open(fresh, "x", encoding="ascii") as file:
            file.write(mark)
        os.replace(fresh, os.path.join(records, name))


def write(files, root):
    for path, executable, content in files:
        place = os.path.join(root, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        # SECURITY: O_EXCL, should this file system take two names for one that the checks tell apart.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(place, flags, 0o755 if executable else 0o644), "wb") as file:
            file.write(content)
    for folder, _, names in os.walk(root, topdown=False):  # last, so that the system can flush it all in one go
        for name in (*names, ""):
            flush(os.path.join(folder, name))


def flush(place):
    opened = os.open(place, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def swap(fresh, target):
    """Put `fresh` at the target and what was there at `fresh`: in one step, where the system knows such a step."""
    if not os.path.lexists(target):
        os.rename(fresh, target)
    elif not exchanged(fresh, target):
        aside = fresh + ".old"  # the next run moves it back, should this one be killed between the renames
        os.rename(target, aside)
        try:
            os.rename(fresh, target)
        except BaseException:
            os.rename(aside, target)
            raise
        os.rename(aside, fresh)


def exchanged(one, other):
    """Swap two folders atomically; False where the system or the file system cannot."""
    try:
        import ctypes  # here, because some Pythons are built without it

        libc, one, other = ctypes.CDLL(None), os.fsencode(one), os.fsencode(other)
        if sys.platform == "darwin":
            return libc.renamex_np(one, other, 2) == 0  # RENAME_SWAP
        return libc.renameat2(-100, one, -100, other, 2) == 0  # AT_FDCWD twice, RENAME_EXCHANGE
    except (ImportError, AttributeError, OSError):
        return False


try:
    if sys.version_info < (3, 8):
        raise Refusal("Python 3.8 or later is needed. Put a newer python3 first in PATH and run the command again.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(*sys.argv[1:])
except Refusal as refusal:
    sys.exit(f"skillport: {refusal}")
except KeyboardInterrupt:
    sys.exit("skillport: stopped. Ask for a new install command to try again.")
except OSError as error:
    sys.exit(f"skillport: {error}. Put that right, then ask for a new install command.")
PYTHON
  # SECURITY: -I, or a `json.py` in the current folder would run; -X utf8, or file names would depend on the locale.
  # The token travels in the environment of this one child: arguments can be read by everyone on the machine.
  SKILLPORT_TOKEN=$token python3 -I -S -X utf8 -c "$program" "$@" </dev/null
}

# In braces, because of `main "$@"` alone a download that breaks off could leave `main`: a run without its options.
{ main "$@"; exit; }
