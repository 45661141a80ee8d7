#!/usr/bin/env bash
#
# Installs one skill from a Skillport server. The server's tool prints the command:
#
#   curl -fsSL https://skills.example.org/install.sh | SKILLPORT_TOKEN=sklp_it_... bash
#
# The token buys one release of one skill, once. What arrives is checked whole before anything is written, and takes
# the place of the installed version in one step: whatever goes wrong, the old version or the new one is there, whole.
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
    printf 'Install token: ' >&2
    IFS= read -rs token && printf '\n' >&2
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
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import zlib

MAX_BYTES = 64 << 20  # of the archive, and again of the files in it
MAX_TAR_BYTES = MAX_BYTES + (8 << 20)  # the files, and 4 KiB of headers and padding for each
MAX_FILES, MAX_PATH_BYTES, MAX_SEGMENT_BYTES = 2000, 400, 100
MAX_HEAD_BYTES = 64 << 10
CONNECT_SECONDS, TOTAL_SECONDS = 20, 120  # the server answers a repeated key for 120 seconds
PAUSES_SECONDS = (1, 2, 4)
ABANDONED_SECONDS = 3600
# Name resolution, connecting, transfers cut short, timeouts: `man curl`, EXIT CODES.
PASSING_CURL_CODES = (5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92)
ADDRESS = "/api/v1/install/redeem"
LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
DAMAGED = "the archive is damaged. Nothing was written; ask for a new install command."
TOO_LARGE = f"the server sent more than {MAX_BYTES >> 20} MiB or {MAX_FILES} files. Tell its administrator."


class Refusal(Exception):
    """Ends the run; its text is for the person and says what to do."""


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
    check_writable(folder)
    clean_up_after_killed_runs(folder)

    headers, archive = redeem(site, token)
    name, digest = headers.get("x-skillport-skill", ""), headers.get("x-skillport-digest", "")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", name) or DEVICE_NAME.fullmatch(name):
        raise Refusal(f"{site} sent no skill, or one whose name is not allowed. Tell its administrator.")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or not digest.startswith(expected):
        raise Refusal("the server sent another release than --digest names. Ask for a new install command.")
    files = unpack(archive)
    if release_digest(files) != digest:
        raise Refusal("the files are not those that their digest names. Ask for a new install command.")
    target = os.path.join(folder, name)
    done = put_in_place(files, folder, name)
    print(f"{done} {name} {printable(headers.get('x-skillport-version', ''))} in {target}")
    print("Start a new session to use it.")


def check_writable(folder):
    """Find out before the token is spent."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise Refusal(f"{folder} is not a folder that you may write to. Name another one with --dir.")


def clean_up_after_killed_runs(folder):
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        left = re.fullmatch(r"\.skillport-(.+)-[0-9a-f]{16}(\.old)?", entry.name)
        if not left or not entry.is_dir(follow_symlinks=False):
            continue
        if left[2] and not os.path.lexists(os.path.join(folder, left[1])):
            os.rename(entry.path, os.path.join(folder, left[1]))  # killed between the two renames of `swap`
        elif time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(entry.path, ignore_errors=True)


def redeem(site, token):
    """Exchange the token for headers (names in lower case) and archive.

    Every try carries the same key: to it the server gives the same bytes again, to another key nothing.
    """
    body = json.dumps({"token": token, "redemption_key": secrets.token_hex(32)}).encode()
    post = post_with_curl if shutil.which("curl") else post_with_urllib
    ends_at = time.monotonic() + TOTAL_SECONDS
    for pause in (*PAUSES_SECONDS, None):
        try:
            status, headers, content = post(site, body, int(ends_at - time.monotonic()))
            if len(content) > MAX_BYTES:
                raise Refusal(TOO_LARGE)
            if status == 200:
                return headers, content
            raise (Passing if status == 503 else Refusal)(complaint(status, content))
        except Passing:
            if pause is None or time.monotonic() + pause + 1 > ends_at:
                raise
            time.sleep(pause)


def post_with_curl(site, body, seconds):
    """Give status, headers and content. curl first: it knows the system's certificates."""
    command = ["curl", "--disable", "--silent", "--show-error", "--globoff", "--include", "--suppress-connect-headers"]
    command += ["--connect-timeout", str(CONNECT_SECONDS), "--max-time", str(seconds)]
    command += ["--max-filesize", str(MAX_BYTES), "--header", "Content-Type: application/json", "--data-binary", "@-"]
    # SECURITY: --disable ignores a ~/.curlrc that follows redirects. Loopback never goes through a proxy.
    command += ["--proto", "=http", "--noproxy", "*"] if LOOPBACK.fullmatch(site) else ["--proto", "=https"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, site + ADDRESS], stdin=pipe, stdout=pipe, stderr=pipe) as curl:
        try:
            curl.stdin.write(body)
            curl.stdin.close()
        except BrokenPipeError:
            pass  # it ended early; its exit code says why
        answer = curl.stdout.read(MAX_HEAD_BYTES + MAX_BYTES)
        if len(answer) == MAX_HEAD_BYTES + MAX_BYTES:
            curl.kill()  # before version 8.4, --max-filesize looks at announced lengths only
            raise Refusal(TOO_LARGE)
        trouble = curl.stderr.read().decode(errors="replace")
    if curl.returncode == 63:
        raise Refusal(TOO_LARGE)
    if curl.returncode:
        raise (Passing if curl.returncode in PASSING_CURL_CODES else Refusal)(no_answer(trouble))
    status = b"100"
    while status.startswith(b"1"):  # interim answers come first
        head, _, answer = answer.partition(b"\r\n\r\n")
        status = head.partition(b" ")[2][:3]
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return int(status), {name.lower(): value.strip() for name, _, value in lines}, answer


def post_with_urllib(site, body, seconds):
    """Do the same where curl is missing."""
    import http.client  # here, because few machines come this way and loading them takes as long as the rest
    import urllib.request

    class RedirectsStay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None  # so that the answer itself is reported

    def too_late(*_):
        raise TimeoutError("it took too long")

    handlers = [RedirectsStay, *([urllib.request.ProxyHandler({})] if LOOPBACK.fullmatch(site) else [])]
    request = urllib.request.Request(site + ADDRESS, body, {"Content-Type": "application/json"})
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)  # `timeout` below is for each piece that arrives, however small
    try:
        try:
            answer = urllib.request.build_opener(*handlers).open(request, timeout=CONNECT_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            content = answer.read(MAX_BYTES + 1)
            if len(content) < min(int(answer.headers.get("Content-Length", 0)), MAX_BYTES):
                raise ConnectionError("the answer was cut short")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Passing(no_answer(str(error)))
    finally:
        signal.alarm(0)
    return answer.code, {name.lower(): value for name, value in answer.headers.items()}, content


def complaint(status, content):
    """Say in the server's words, where it has some, why there is no skill."""
    if 300 <= status < 400:
        return "the server redirects, and an install follows no redirect. Tell its administrator."
    try:
        return printable(json.loads(content)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"the server answered with status {status}. Try again later, or tell its administrator."


def no_answer(why):
    return f"the download failed. Check the network, then run the command again. ({printable(why.strip())})"


def printable(text):
    """SECURITY: what a server sends must not steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:300])


def unpack(archive):
    """Give {path: (executable, content)} of a .tar.gz in which every path may be written; writes nothing."""
    gunzip = zlib.decompressobj(wbits=31)
    try:
        tar = gunzip.decompress(archive, MAX_TAR_BYTES + 1)
    except zlib.error:
        raise Refusal(DAMAGED)
    if len(tar) > MAX_TAR_BYTES:
        raise Refusal(TOO_LARGE)
    if not gunzip.eof or gunzip.unused_data:
        raise Refusal(DAMAGED)
    files, file_keys, folder_keys, size = {}, set(), set(), 0
    for raw_path, executable, content in tar_members(tar):
        path, fault = raw_path.decode(errors="replace"), path_fault(raw_path)
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        above = {key[:end] for end, character in enumerate(key) if character == "/"}
        if key in file_keys | folder_keys or above & file_keys:
            fault = fault or "clashes with another name in it"
        if fault:
            raise Refusal(f"{ascii(path)} in the archive {fault}. Nothing was written; tell the administrator.")
        size += len(content)
        if size > MAX_BYTES or len(files) == MAX_FILES:
            raise Refusal(TOO_LARGE)
        files[path] = (executable, content)
        file_keys.add(key)
        folder_keys |= above
    if "SKILL.md" not in files:
        raise Refusal("the archive has no SKILL.md. Nothing was written; tell the administrator.")
    return files


def tar_members(tar):
    """Yield (path, executable, content) of each file.

    `tarfile` would also understand links, devices and sparse files, and in Pythons that are still in use it takes
    days over some headers (CVE-2024-6232). This reads what a bundle is made of and refuses the rest.
    """
    at, long_path = 0, None
    while tar[at : at + 512].strip(b"\0"):
        head = tar[at : at + 512]
        size, kind = octal(head[124:136]), head[156:157]
        content = tar[at + 512 : at + 512 + size]
        at += 512 + (size + 511) // 512 * 512
        if len(content) < size:
            raise Refusal(DAMAGED)
        if kind in (b"x", b"L") and size <= 4096:
            long_path = pax_path(content) if kind == b"x" else content.rstrip(b"\0")
        elif kind in (b"0", b"\0"):
            name, prefix = (field.partition(b"\0")[0] for field in (head[:100], head[345:500]))
            if prefix and head[257:263] == b"ustar\0":
                name = prefix + b"/" + name
            yield long_path or name, bool(octal(head[100:108]) & 0o100), content
            long_path = None
        else:
            raise Refusal("the archive holds something that is not a file. Nothing was written; tell the administrator.")


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


def path_fault(raw_path):
    """Say what is wrong with a path, if anything: it must mean one place below the skill on every system."""
    try:
        path = raw_path.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    if len(raw_path) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_SEGMENT_BYTES for part in path.split("/")):
        return "is too long"
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode form NFC"
    if "\\" in path:
        return "has a backslash"
    if any(unicodedata.category(character) == "Cc" for character in path):
        return "has a control character"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "is not a plain relative path"
    if any(part.startswith(("~", "-")) or part.endswith((".", " ")) for part in path.split("/")):
        return "begins or ends with a character that is not allowed there"
    return None


def release_digest(files):
    lines = []
    for path, (executable, content) in sorted(files.items(), key=lambda item: item[0].encode()):
        mode = "100755" if executable else "100644"
        lines.append(f"{mode} {hashlib.sha256(content).hexdigest()} {path}\n")
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def put_in_place(files, folder, name):
    """Write the files beside the target, then swap the two. Says what it did."""
    target = os.path.join(folder, name)
    fresh = os.path.join(folder, f".skillport-{name}-{secrets.token_hex(8)}")
    if os.path.islink(target):
        raise Refusal(f"{target} is a symbolic link, and an install follows none. Remove it, or choose another --dir.")
    update = os.path.lexists(target)
    if update and not os.path.isfile(os.path.join(target, "SKILL.md")):
        raise Refusal(f"something else lies at {target}: it has no SKILL.md. Move it away, or choose another --dir.")
    os.makedirs(folder, exist_ok=True)
    os.mkdir(fresh)
    try:
        write(files, fresh)
        swap(fresh, target)
        flush(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # after the swap, this is the version that was replaced
    return "Updated" if update else "Installed"


def write(files, root):
    for path, (executable, content) in files.items():
        place = os.path.join(root, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        # SECURITY: O_EXCL, should the file system take two names for one that the checks did not.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(place, flags, 0o755 if executable else 0o644), "wb") as file:
            file.write(content)
    for folder, _, names in os.walk(root, topdown=False):  # after all is written: the system flushes it in one go
        for name in names:
            flush(os.path.join(folder, name))
        flush(folder)


def flush(place):
    opened = os.open(place, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def swap(fresh, target):
    """Put `fresh` at the target, and what was there at `fresh`; in one step where the system has such a step."""
    if not os.path.lexists(target):
        os.rename(fresh, target)
    elif not exchanged(fresh, target):
        aside = fresh + ".old"  # the next run moves it back if this one is killed between the renames
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

        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return libc.renamex_np(os.fsencode(one), os.fsencode(other), 2) == 0  # RENAME_SWAP
        return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) == 0  # AT_FDCWD, RENAME_EXCHANGE
    except (ImportError, AttributeError, OSError):
        return False


try:
    if sys.version_info < (3, 8):
        raise Refusal("Python 3.8 or later is needed. Put a newer python3 first in PATH and run the command again.")
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    main(*sys.argv[1:])
except Refusal as refusal:
    sys.exit(f"skillport: {refusal}")
except KeyboardInterrupt:
    sys.exit("skillport: stopped. Ask for a new install command to try again.")
except OSError as error:
    sys.exit(f"skillport: {error.filename or 'this machine'}: {error.strerror}. Put that right and ask for a new command.")
PYTHON
  # SECURITY: -I, or a `json.py` in the current folder would run; -X utf8, or file names would depend on the locale.
  # The token travels in the environment of this one child: arguments can be read by everyone on the machine.
  SKILLPORT_TOKEN=$token python3 -I -S -X utf8 -c "$program" "$@" </dev/null
}

# In braces, because of `main "$@"` alone a truncated download may leave `main`: the run without its options.
{ main "$@"; exit; }
