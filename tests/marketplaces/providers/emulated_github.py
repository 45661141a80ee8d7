"""GitHub Enterprise Server on loopback: the API that `emulate` plays, and the tests' git host for git itself.

Who the App is, what its installation was given and what a token may do is for `emulate` to say, which nobody here wrote.
Played here is what it cannot do: it suspends no installation, takes a token that it does not know for somebody's, and wants
the right to administrate where GitHub wants the one to webhooks.
"""

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from marketplaces.services.credentials import Credential, InstalledApp
from skillport.demo.git_host import OWNER
from tests.emulate import Emulator
from tests.marketplaces.providers.fake_hosts import Asked, FakeGitHub, Reply

APP, INSTALLATION = "12345", 100
BARE_APP, WIDE_APP, HOOKS_APP = "23456", "34567", "45678"
ORGANIZATION: Final = "apps"
PERSONAL: Final = "ghp_octo0123456789"  # the token of the organization's owner
OWN, OTHER = f"{ORGANIZATION}/skills", f"{ORGANIZATION}/not-selected"


def new_key() -> str:
    """Give a private key in the form in which GitHub gives them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def given(key: str, app_id: str = APP, installation_id: int | None = None) -> Credential:
    """Give the App as an administrator enters it."""
    return Credential(key, app=InstalledApp(app_id, installation_id))


def known_to_github(keys: dict[str, str]) -> dict[str, Any]:
    """Give what `emulate` is to know: an organization with two repositories, and the Apps installed for the first."""
    permissions = {
        APP: {"contents": "read", "metadata": "read"},
        BARE_APP: {"metadata": "read"},
        WIDE_APP: {"contents": "write", "metadata": "read", "issues": "write"},
        HOOKS_APP: {"contents": "read", "metadata": "read", "repository_hooks": "write"},
    }
    return {
        "users": [{"login": "octo", "name": "Octo", "email": "octo@apps.example"}],
        "orgs": [{"login": ORGANIZATION, "members": [{"login": "octo", "role": "admin"}]}],
        "repos": [
            {"owner": ORGANIZATION, "name": name.partition("/")[2], "private": True} for name in (OWN, OTHER)
        ],
        "apps": [
            {
                "app_id": int(app_id),
                "slug": f"app-{app_id}",
                "name": f"App {app_id}",
                "private_key": keys[app_id],
                "permissions": permissions[app_id],
                "installations": [
                    {
                        "installation_id": INSTALLATION + number,
                        "account": ORGANIZATION,
                        "repository_selection": "selected",
                        "repositories": [OWN],
                    }
                ],
            }
            for number, app_id in enumerate(permissions)
        ],
    }


@dataclass
class EmulatedGitHub(FakeGitHub):
    """`minted` are the tokens that `emulate` gave away, with their rights; those in `revoked` are taken no more."""

    emulator: Emulator = field(kw_only=True)
    minted: dict[str, dict[str, str]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    revokes_at_once: bool = False
    suspended: bool = False

    @property
    def mints(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith("/access_tokens")]

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix("/api/v3")
        if self.down:
            return 500, {}, None
        if self.paused:
            return 403, {"X-RateLimit-Remaining": "0"}, {"message": "API rate limit exceeded"}
        if self.suspended and path.endswith("/access_tokens"):
            return 403, {}, {"message": "This installation has been suspended"}
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if "/hooks" in path and token in self.minted:
            if self.minted[token].get("repository_hooks") != "write":
                return 403, {}, {"message": "Resource not accessible by integration"}
            number = path.partition("/hooks/")[2]
            answered, hook = self._of_hooks(asked, int(number) if number else None)
            return answered, {}, hook
        status, said = self._emulated(asked.method, path, asked.headers, asked.body)
        if path.endswith("/access_tokens") and status == 201:
            self.minted[said["token"]] = said["permissions"]
            if self.revokes_at_once:
                self.revoked.add(said["token"])
        if self.suspended and isinstance(said, dict) and "suspended_at" in said:
            said["suspended_at"] = "2026-11-23T04:00:00Z"
        return status, {"X-GitHub-Request-Id": "0401:1"}, said

    def credential_behind(self, name: str, headers: dict[str, str]) -> str | None:
        """Let in whoever has a token of `emulate`'s that may read the repository's contents, as its user of git."""
        scheme, _, pair = headers.get("authorization", "").partition(" ")
        username, _, token = base64.b64decode(pair).decode().partition(":")
        known = token == PERSONAL or (token in self.minted and token not in self.revoked)
        if scheme != "Basic" or username != "x-access-token" or not known:
            return None
        status, _ = self._emulated("GET", f"/repos/{name}/contents/", {"authorization": f"Bearer {token}"})
        if status != 200:
            return None
        return "Basic " + base64.b64encode(f"{OWNER}:{self.git_host.password}".encode()).decode()

    def token_log(self) -> list[dict[str, Any]]:
        """Give what `emulate` says of the tokens that it gave away."""
        told: list[dict[str, Any]] = self._emulated("GET", "/_emulate/installation-tokens", {})[1][
            "installation_tokens"
        ]
        return told[-len(self.minted) :] if self.minted else []

    def _emulated(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
        with httpx2.Client(trust_env=False, timeout=20) as client:
            kept = {name: value for name, value in headers.items() if name in {"authorization", "accept"}}
            answer = client.request(
                method, f"{self.emulator.url}{path}", headers=kept, json=body if body is not None else None
            )
        return answer.status_code, json.loads(answer.content) if answer.content else None

    def push(self, name: str) -> None:
        """Commit a file to the repository as `emulate` has it, which is a push."""
        path = f"/repos/{name}/contents/pushed-{uuid.uuid4().hex}.txt"
        body = {"message": "A change", "content": base64.b64encode(b"changed").decode()}
        status, said = self._emulated("PUT", path, {"authorization": f"Bearer {PERSONAL}"}, body)
        assert status == 201, said
