"""GitHub Enterprise Server and GitLab on loopback: what Skillport asks of their APIs, answered as their documentation
says; everything else goes to the git host behind them.

They refuse what the real ones refuse, keep what was registered, and deliver to it, signing in their own way.
"""

import base64
import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpx2

from skillport.demo.git_host import GitHost
from skillport.outbound import Origin
from tests.marketplaces.webhooks.sending import by_github, by_gitlab, github_push, gitlab_push


@dataclass(frozen=True)
class Asked:
    """One request to the API."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Token:
    """What a token may do, and when it ends as its provider writes it; None: never."""

    expires: str | None = None
    hooks: bool = True


Reply = tuple[int, dict[str, str], Any]


@dataclass
class FakeHost:
    """One host. `down`: its API answers 500; `paused`: it answers that too much was asked for."""

    git_host: GitHost
    tokens: dict[str, Token] = field(default_factory=dict)
    hooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    down: bool = False
    paused: bool = False

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def origin(self) -> Origin:
        return Origin("http", "127.0.0.1", self._server.server_port)

    def url_of(self, name: str) -> str:
        return f"{self.origin.plain}/{name}.git"

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def credential_behind(self, name: str, headers: dict[str, str]) -> str | None:  # noqa: ARG002
        """Give the Authorization with which the git host behind is asked for the repository `name`."""
        return headers.get("authorization")

    def deliver(self, branch: str = "main") -> list[int]:
        """Report a push to every webhook that wants pushes, and give the answers' statuses."""
        raise NotImplementedError

    def _send(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        with httpx2.Client(trust_env=False, timeout=20) as sender:
            told = {"Content-Type": "application/json", **headers}
            return sender.post(url, content=body, headers=told).status_code


class FakeGitHub(FakeHost):
    """GitHub Enterprise Server, with its API below /api/v3."""

    marks = {"X-GitHub-Request-Id": "0401:1", "X-GitHub-Enterprise-Version": "enterprise-server@3.20.0"}

    def answer(self, asked: Asked) -> Reply:
        status, headers, said = self._answer(asked)
        return status, {**self.marks, **headers}, said

    def _answer(self, asked: Asked) -> Reply:
        if self.down or self.paused:
            limited = {"message": "API rate limit exceeded"}
            return (500, {}, None) if self.down else (403, {"X-RateLimit-Remaining": "0"}, limited)
        token = self.tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None:
            return (
                401,
                {},
                {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"},
            )
        told = {"github-authentication-token-expiration": token.expires} if token.expires else {}
        found = re.fullmatch(r"/api/v3/repos/([^/]+)/([^/]+)(/hooks(?:/(\d+))?)?", asked.path)
        if found is None:
            return 404, told, {"message": "Not Found"}
        if not found[3]:
            return 200, told, {"id": 1, "full_name": f"{found[1]}/{found[2]}", "private": True}
        if not token.hooks:
            return 403, told, {"message": "Resource not accessible by personal access token"}
        status, said = self._of_hooks(asked, int(found[4]) if found[4] else None)
        return status, told, said

    def _of_hooks(self, asked: Asked, number: int | None) -> tuple[int, Any]:
        if asked.method == "GET":
            hidden = [
                {**hook, "config": {**hook["config"], "secret": "********"}} for hook in self.hooks.values()
            ]
            return 200, hidden
        config = asked.body.get("config", {})
        well = config.get("content_type") in {"json", "form"} and config.get("insecure_ssl") in {"0", "1"}
        if not config.get("url", "").startswith("http") or not well:
            return 422, {"message": "Validation Failed"}
        if asked.method == "PATCH" and number in self.hooks:
            self.hooks[number] |= asked.body
            return 200, self.hooks[number]
        taken = any(hook["config"]["url"] == config["url"] for hook in self.hooks.values())
        if asked.method != "POST" or taken or asked.body.get("name") != "web":
            return 422, {"message": "Validation Failed", "errors": [{"message": "Hook already exists"}]}
        made = {"type": "Repository", "id": 12345678 + len(self.hooks), **asked.body}
        self.hooks[made["id"]] = made
        self._deliver(made, b'{"zen":"Keep it logically awesome."}', "ping")
        return 201, made

    def deliver(self, branch: str = "main") -> list[int]:
        wanting = [hook for hook in self.hooks.values() if hook["active"] and "push" in hook["events"]]
        return [self._deliver(hook, github_push(branch), "push") for hook in wanting]

    def _deliver(self, hook: dict[str, Any], body: bytes, event: str) -> int:
        config = hook["config"]
        return self._send(config["url"], body, by_github(config["secret"], body, event))


# The attributes that GitLab documents for adding a webhook (Project webhooks API), with their JSON types.
GITLAB_ATTRIBUTES = {
    "url": str, "name": str, "description": str, "token": str, "signing_token": str, "push_events": bool,
    "push_events_branch_filter": str, "branch_filter_strategy": str, "enable_ssl_verification": bool,
    "tag_push_events": bool, "issues_events": bool, "merge_requests_events": bool, "note_events": bool,
    "job_events": bool, "pipeline_events": bool, "wiki_page_events": bool, "deployment_events": bool,
    "releases_events": bool, "confidential_issues_events": bool, "confidential_note_events": bool,
    "feature_flag_events": bool, "resource_access_token_events": bool, "custom_headers": list,
    "custom_webhook_template": str,
}  # fmt: skip


@dataclass
class FakeGitLab(FakeHost):
    """GitLab; before 19.0 it does not know signing tokens, and says nothing of them.

    Without `says_what_it_is` something in front of it takes the header away by which it is recognised.
    """

    knows_signing_tokens: bool = True
    says_what_it_is: bool = True

    def answer(self, asked: Asked) -> Reply:
        status, said = self._answer(asked)
        marks = {"X-Gitlab-Meta": '{"correlation_id":"01H","version":"1"}'} if self.says_what_it_is else {}
        return status, marks, said

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if self.down or self.paused:
            return (500, None) if self.down else (429, {"message": "429 Too Many Requests"})
        token = self.tokens.get(asked.headers.get("private-token", ""))
        if token is None:
            return 401, {"message": "401 Unauthorized"}
        if asked.path == "/api/v4/personal_access_tokens/self":
            said = {"id": 4, "name": "Skillport", "revoked": False, "active": True, "user_id": 3}
            return 200, {**said, "scopes": ["read_repository"], "expires_at": token.expires}
        found = re.fullmatch(r"/api/v4/projects/([^/]+)/hooks(?:/(\d+))?", asked.path)
        if found is None or unquote(found[1]).count("/") < 1:
            return 404, {"message": "404 Not Found"}
        if not token.hooks:
            return 403, {"error": "insufficient_scope", "scope": "api"}
        return self._of_hooks(asked, int(found[2]) if found[2] else None)

    def _of_hooks(self, asked: Asked, number: int | None) -> tuple[int, Any]:
        if asked.method == "GET":
            return 200, [self._shown(hook) for hook in self.hooks.values()]
        unknown = [
            name for name, value in asked.body.items() if type(value) is not GITLAB_ATTRIBUTES.get(name)
        ]
        if unknown:
            return 400, {"error": f"{', '.join(unknown)} is invalid"}
        given = dict(asked.body)
        if not self.knows_signing_tokens:
            given.pop("signing_token", None)
        signing = given.get("signing_token")
        if not given.get("url", "").startswith("http"):
            return 422, {"error": "Invalid url given"}
        if signing is not None and (
            not signing.startswith("whsec_") or len(base64.b64decode(signing.removeprefix("whsec_"))) != 32
        ):
            return 422, {"error": "Signing token is invalid"}
        return self._keep(asked.method, given, number)

    def _keep(self, method: str, given: dict[str, Any], number: int | None) -> tuple[int, Any]:
        if method == "PUT" and number in self.hooks:
            self.hooks[number] |= given
            return 200, self._shown(self.hooks[number])
        if method != "POST" or number is not None:
            return 404, {"message": "404 Not found"}
        made = {"id": 1 + len(self.hooks), "push_events": True, "enable_ssl_verification": True, **given}
        self.hooks[made["id"]] = made
        return 201, self._shown(made)

    def _shown(self, hook: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in hook.items() if name not in {"token", "signing_token"}}
        if self.knows_signing_tokens:
            shown |= {"token_present": "token" in hook, "signing_token_present": "signing_token" in hook}
        return shown

    def deliver(self, branch: str = "main") -> list[int]:
        statuses, body = [], gitlab_push(branch)
        for hook in self.hooks.values():
            signed = by_gitlab(hook["signing_token"], body) if "signing_token" in hook else {}
            shared = {"X-Gitlab-Token": hook["token"]} if "token" in hook else {}
            statuses.append(
                self._send(hook["url"], body, {"X-Gitlab-Event": "Push Hook", **signed, **shared})
            )
        return statuses


def _handler(host: FakeHost) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            """Keep quiet: `asked` has it all."""

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/api/"):
                status, headers, content = _pass_on(host, self, sent)
            else:
                named = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(sent) if sent else None
                asked = Asked(self.command, urlsplit(self.path).path, named, body)
                host.asked.append(asked)
                status, headers, said = host.answer(asked)
                content = json.dumps(said).encode()
                headers = {"Content-Type": "application/json", **headers}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _pass_on(
    host: FakeHost, came: http.server.BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    behind = urlsplit(host.git_host.url)
    headers = {name.lower(): value for name, value in came.headers.items()}
    credential = host.credential_behind(came.path.partition(".git/")[0].strip("/"), headers)
    headers.pop("authorization", None)
    if credential is not None:
        headers["authorization"] = credential
    connection = http.client.HTTPConnection(behind.hostname or "", behind.port or 80, timeout=20)
    try:
        connection.request(came.command, came.path, body, headers)
        answer = connection.getresponse()
        kept = {
            name: value for name, value in answer.getheaders() if name in {"Content-Type", "WWW-Authenticate"}
        }
        return answer.status, kept, answer.read()
    finally:
        connection.close()


@contextmanager
def allowed(host: FakeHost, settings: Any) -> Iterator[Any]:
    """Run the host, as one that the operator allows."""
    with host:
        settings.OUTBOUND_ALLOWED_ORIGINS = settings.OUTBOUND_ALLOWED_ORIGINS | {host.origin}
        yield host
