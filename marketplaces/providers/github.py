"""GitHub's REST API: github.com, `*.ghe.com` and GitHub Enterprise Server.

Source: docs.github.com, "REST API endpoints for repository webhooks" and "Managing your personal access tokens",
checked 2026-11.
"""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from marketplaces.providers.api import Access, Hook, TokenMayNot, ask, read_list
from skillport.errors import SkillportError
from skillport.outbound import HostUnreachable, Origin

_EXPIRES: Final = "github-authentication-token-expiration"
_WRITTEN: Final = ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S %z")


class WebhooksNotAllowed(TokenMayNot):
    message = (
        "GitHub does not let this token register webhooks. Give it the repository permission Webhooks: Read and write "
        "(a classic token: the scope write:repo_hook, which repo includes), or add the webhook by hand."
    )


def api_of(origin: Origin) -> str:
    """Give where the API of a GitHub host is."""
    if origin.host == "github.com":
        return "https://api.github.com"
    if origin.host.endswith(".ghe.com"):
        return f"https://api.{origin.host}"
    return f"{origin.plain}/api/v3"


class GitHub:
    """Speaks with the GitHub that a repository is on."""

    def expires_at(self, access: Access) -> datetime | None:
        # Any request tells; this one needs nothing that a token for reading the repository lacks.
        answer = ask(access, "GET", repository_of(access), headers_of(access))
        told = answer.headers.get(_EXPIRES, "")
        return _moment(told) if told else None

    def register(self, access: Access, hook: Hook) -> None:
        hooks = f"{repository_of(access)}/hooks"
        config = {"url": hook.url, "content_type": "json", "secret": hook.secret, "insecure_ssl": "0"}
        wanted: dict[str, Any] = {"config": config, "events": ["push"], "active": True}
        try:
            there = read_list(ask(access, "GET", f"{hooks}?per_page=100", headers_of(access)))
            known = next((one["id"] for one in there if _is(one, hook)), None)
            if known is None:
                ask(access, "POST", hooks, headers_of(access), {"name": "web", **wanted})
            else:
                ask(access, "PATCH", f"{hooks}/{known}", headers_of(access), wanted)
        except TokenMayNot:
            raise WebhooksNotAllowed from None


class NotARepository(SkillportError):
    code = "provider_no_repository"
    status = 422
    message = "GitHub's repositories are named owner/repository, and this address is not. Copy it from the clone button."


def name_of(access: Access) -> tuple[str, str]:
    """Give a repository's owner and its own name. Raises `NotARepository`."""
    owner, _, name = access.path.partition("/")
    if not owner or not name or "/" in name:
        raise NotARepository
    return owner, name


def repository_of(access: Access) -> str:
    """Give where the API has the repository. Raises `NotARepository`."""
    owner, name = name_of(access)
    return f"{api_of(access.origin)}/repos/{quote(owner, safe='')}/{quote(name, safe='')}"


def headers_of(access: Access) -> dict[str, str]:
    return {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {access.credential}",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def _is(one: dict[str, Any], hook: Hook) -> bool:
    config = one.get("config")
    return (
        isinstance(config, dict)
        and config.get("url") == hook.url
        and isinstance(one.get("id"), int)
        and not isinstance(one["id"], bool)
    )


def _moment(told: str) -> datetime:
    """Read `2027-01-31 09:30:00 UTC`, or the same with an offset such as `+0200`."""
    for form in _WRITTEN:
        try:
            read = datetime.strptime(told.strip(), form)  # noqa: DTZ007 the first form says UTC in words
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise HostUnreachable
