"""A git host on loopback: `git http-backend` behind a server that demands a token, as a real host does.

It is the demo's and the tests' peer. Readers come with a repository's own token, pushers as the host's owner; without
a credential the answer is 401 with a Basic challenge. Each repository can tell a webhook of a push, signed as GitHub
signs.
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

OWNER: Final = "owner"
_PLAIN_GIT: Final = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that the host answered; sizes are of the bodies, in bytes."""

    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int
    is_push: bool


class GitHost:
    """Serves the bare repositories in `folder`. What it has to remember is in `folder/host.json` (mode 600)."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "host.json"
        self._known: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._known.setdefault("password", secrets.token_urlsafe(24))
        self._known.setdefault("repositories", {})
        self._save()
        self.exchanges: list[Exchange] = []
        self.redirect_to_git_suffix = False  # as hosts do that know a repository by both addresses
        host = self

        class Handler(_Handler):
            git_host = host

        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="git-host", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def password(self) -> str:
        """Give the owner's password: with it everything may be read and pushed."""
        return str(self._known["password"])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def make_repository(self, name: str) -> Path:
        """Make the bare repository `name` (as in `acme/skills`) unless it exists, and give its folder."""
        path = self.path_of(name)
        if name not in self._known["repositories"]:
            shutil.rmtree(path, ignore_errors=True)
            git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
            git("--git-dir", str(path), "config", "uploadpack.allowFilter", "true")
            self._known["repositories"][name] = {"token": f"demo-{secrets.token_urlsafe(24)}"}
            self._save()
        return path

    def path_of(self, name: str) -> Path:
        return self.folder / f"{name}.git"

    def address_of(self, name: str) -> str:
        return f"{self.url}/{name}.git"

    def token_of(self, name: str) -> str:
        """Give the service token with which `name` may be read."""
        return str(self._known["repositories"][name]["token"])

    def open_to_everybody(self, name: str) -> None:
        """Let anybody read `name` without a credential, as public repositories are read."""
        self._known["repositories"][name]["public"] = True
        self._save()

    def tell_of_pushes(self, name: str, webhook_url: str, webhook_secret: str) -> None:
        """Send a signed webhook after each push to `name`, from now on."""
        self._known["repositories"][name]["webhook"] = {"url": webhook_url, "secret": webhook_secret}
        self._save()

    def admits(self, name: str, username: str, password: str, *, to_push: bool) -> bool:
        owner = username == OWNER and hmac.compare_digest(password.encode(), self.password.encode())
        known = self._known["repositories"].get(name)
        reader = known is not None and hmac.compare_digest(password.encode(), known["token"].encode())
        public = known is not None and known.get("public", False)
        return known is not None and (owner or ((reader or public) and not to_push))

    def pushed(self, name: str) -> None:
        """Deliver the webhook. A host does not wait for, or repeat, a delivery that fails."""
        hook = self._known["repositories"][name].get("webhook")
        if hook is None:
            return
        body = json.dumps({"ref": "refs/heads/main", "repository": {"full_name": name}}).encode()
        signature = "sha256=" + hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": signature,
        }
        target = urlsplit(hook["url"])
        # More patient than real hosts, which wait for some ten seconds: this machine may have other work as well.
        connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=30)
        try:
            connection.request("POST", target.path, body, headers)
            connection.getresponse().read()
        except OSError:
            pass
        finally:
            connection.close()

    def _save(self) -> None:
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(self._known, indent=1))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Keep quiet: a client that goes away in the middle is none of the host's concern."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    git_host: GitHost

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def log_message(self, *_: object) -> None:
        """Keep quiet: `GitHost.exchanges` has it all."""

    def _serve(self, body: bytes) -> None:
        target = urlsplit(self.path)
        path = unquote(target.path)
        name, dot_git, service = path.removeprefix("/").partition(".git/")
        if self.git_host.redirect_to_git_suffix and not dot_git and path.endswith("/git-upload-pack"):
            moved = path.removesuffix("/git-upload-pack") + ".git/git-upload-pack"
            self._answer(301, [("Location", moved)], b"", len(body))
            return
        to_push = "git-receive-pack" in self.path
        username, password = self._credential()
        if not self.git_host.admits(name, username, password, to_push=to_push):
            self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"A token is needed.\n", len(body))
            return
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False,
            env=self._environment(path, target.query, username if to_push else ""),
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for key, value in headers if key == "Status"), 200)
        self._answer(status, [pair for pair in headers if pair[0] != "Status"], content, len(body))
        if service == "git-receive-pack" and status == 200:
            self.git_host.pushed(name)

    def _credential(self) -> tuple[str, str]:
        kind, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        if kind != "Basic":
            return "", ""
        username, _, password = base64.b64decode(encoded).decode("utf-8", "replace").partition(":")
        return username, password

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _environment(self, path: str, query: str, pusher: str) -> dict[str, str]:
        given = {
            "GIT_PROTOCOL": self.headers.get("Git-Protocol"),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding"),
            "CONTENT_TYPE": self.headers.get("Content-Type"),
            "REMOTE_USER": pusher,
        }
        return {
            **_PLAIN_GIT,
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "GIT_PROJECT_ROOT": str(self.git_host.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            **{name: value for name, value in given.items() if value},
        }

    def _answer(self, status: int, headers: list[Any], content: bytes, bytes_in: int) -> None:
        is_push = "git-receive-pack" in self.path
        exchange = Exchange(self.command, urlsplit(self.path).path, status, bytes_in, len(content), is_push)
        self.git_host.exchanges.append(exchange)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def git(*arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run git on a repository of our own making and give its output as text."""
    return git_bytes(*arguments, folder=folder, environment=environment).decode().strip()


def git_bytes(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> bytes:
    """Run git, without anybody's configuration, and give its output."""
    built = {
        **_PLAIN_GIT,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        **(environment or {}),
    }
    done = subprocess.run(["git", *arguments], cwd=folder, env=built, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def commit_folder(source: Path, work: Path, message: str) -> str:
    """Make `work` a repository whose newest commit on `main` holds exactly the files of `source`; give its id."""
    if not (work / ".git").exists():
        work.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--initial-branch=main", folder=work)
    for present in work.iterdir():
        if present.name != ".git":
            shutil.rmtree(present) if present.is_dir() and not present.is_symlink() else present.unlink()
    shutil.copytree(
        source,
        work,
        symlinks=True,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", ".*_cache"),
    )
    git("add", "--all", "--force", folder=work)
    people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", "Alice Ng"), ("EMAIL", "alice@acme.example"))}  # fmt: skip
    git("commit", "--quiet", "--allow-empty", "--message", message, folder=work, environment=people)
    return git("rev-parse", "HEAD", folder=work)


def push(work: Path, url: str, username: str, password: str) -> None:
    """Push `main` with a credential that stands in no argument and no file."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}"}  # fmt: skip
    git("push", "--quiet", "--force", url, "HEAD:refs/heads/main", folder=work, environment=settings)
