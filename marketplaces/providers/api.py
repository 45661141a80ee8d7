"""What the providers have in common: what is asked of them, how, and what they refuse.

A request goes to the repository's own host (of github.com and `*.ghe.com`, to its API's), with the marketplace's
token in a header. What a host says in words is never repeated: it may be anybody's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from skillport.errors import SkillportError
from skillport.outbound import Answer, HostUnreachable, Origin, Outbound

DEADLINE_SECONDS: Final = 8.0
_MAX_BYTES: Final = 2 * 1024 * 1024


class Kind(StrEnum):
    """Whose programming interface a git host has. NOT_ASKED: nobody has looked yet."""

    NOT_ASKED = ""
    GITHUB = "github"
    GITLAB = "gitlab"
    OTHER = "other"


class TokenRefused(SkillportError):
    code = "provider_token_refused"
    status = 422
    message = (
        "The host's programming interface does not accept this token: it has expired, was revoked, or is one for git alone. "
        "Replace the token, or add the webhook by hand."
    )


class TokenMayNot(SkillportError):
    code = "provider_token_may_not"
    status = 422
    message = "The host does not let this token do that. Give it more rights, or add the webhook by hand."


class ProviderRefused(SkillportError):
    code = "provider_refused"
    status = 422
    message = "The host did not take the webhook. Its address must be one that the host can reach; or add it by hand."


class ProviderMoved(SkillportError):
    code = "provider_moved"
    status = 422
    message = (
        "The host has this repository under another address by now. Copy the address from its clone button."
    )


class ProviderPaused(SkillportError):
    code = "provider_paused"
    status = 409
    message = "The host asks for a pause. Try again in some minutes."


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as it is to be: where deliveries go, and the secret that signs them."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """A repository, and the token with which its host is asked."""

    url: str
    credential: str = field(repr=False)
    outbound: Outbound = field(repr=False)

    @property
    def origin(self) -> Origin:
        return Origin.parse(self.url)

    @property
    def path(self) -> str:
        """Give the repository's path on its host, as in `acme/skills`. Raises `AddressInvalid`."""
        Origin.parse(self.url)  # what cannot be read at all is refused here as everywhere
        return unquote(urlsplit(self.url).path).strip("/").removesuffix(".git")

    @property
    def page(self) -> str:
        """Give the address of the repository's page."""
        return self.url.rstrip("/").removesuffix(".git")


class Provider(Protocol):
    """A host's programming interface. Both raise the errors above, `HostUnreachable` or `AddressInvalid`."""

    def expires_at(self, access: Access) -> datetime | None:
        """Give when the token ends; None for one that does not."""

    def register(self, access: Access, hook: Hook) -> None:
        """Make the host report pushes to `hook.url`: one webhook, however often this is asked for."""


def ask(
    access: Access, method: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
) -> Answer:
    """Make one request, and raise for what was refused."""
    sent = {"User-Agent": "skillport", "Accept": "application/json", **headers}
    content = None
    if body is not None:
        sent["Content-Type"] = "application/json"
        content = json.dumps(body).encode()
    answer = access.outbound.request(
        method, url, headers=sent, content=content, max_bytes=_MAX_BYTES, deadline_seconds=DEADLINE_SECONDS
    )
    _raise_for_status(answer)
    return answer


def _raise_for_status(answer: Answer) -> None:
    spent = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if answer.status == 429 or (answer.status in {403, 503} and spent):
        raise ProviderPaused
    if answer.status == 401:
        raise TokenRefused
    if answer.status in {403, 404}:
        raise TokenMayNot
    if answer.status in {301, 302, 307, 308}:
        raise ProviderMoved  # never followed: where it points is not checked, and would be shown the credential
    if answer.status in {400, 409, 422}:
        raise ProviderRefused
    if not 200 <= answer.status < 300:
        raise HostUnreachable


def read(answer: Answer) -> Any:
    """Give the JSON of an answer. Raises `HostUnreachable` when it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise HostUnreachable from None


def read_object(answer: Answer) -> dict[str, Any]:
    found = read(answer)
    if not isinstance(found, dict):
        raise HostUnreachable
    return found


def read_list(answer: Answer) -> list[dict[str, Any]]:
    """Give the objects of a list; what else it holds is left out."""
    found = read(answer)
    if not isinstance(found, list):
        raise HostUnreachable
    return [one for one in found if isinstance(one, dict)]
