"""GitLab's REST API: gitlab.com and self-managed GitLab.

A webhook gets GitLab's signing token where it knows them (19.0 and newer); where it does not, it says so by saying
nothing, and gets the shared token that is sent along with each delivery.

Source: docs.gitlab.com, "Project webhooks API" and "Personal access tokens API", checked 2026-11.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from marketplaces.providers.api import Access, Hook, TokenMayNot, TokenRefused, ask, read_list, read_object
from marketplaces.providers.secrets import signing_key
from skillport.outbound import HostUnreachable


class WebhooksNotAllowed(TokenMayNot):
    message = (
        "GitLab does not let this token register webhooks. That takes a token with the role Maintainer and the scope api; "
        "or add the webhook by hand."
    )


class GitLab:
    """Speaks with the GitLab that a project is on."""

    def expires_at(self, access: Access) -> datetime | None:
        # Every access token may ask about itself, whatever its scopes.
        answer = ask(access, "GET", f"{_api(access)}/personal_access_tokens/self", _headers(access))
        told = read_object(answer).get("expires_at")
        if told is None:
            return None
        return _midnight(told)

    def register(self, access: Access, hook: Hook) -> None:
        hooks = f"{_api(access)}/projects/{quote(access.path, safe='')}/hooks"
        wanted: dict[str, Any] = {
            "url": hook.url, "name": "Skillport", "push_events": True, "enable_ssl_verification": True,
        }  # fmt: skip
        by_token = {**wanted, "token": hook.secret}
        by_signature = {**wanted, "signing_token": hook.secret} if signing_key(hook.secret) else by_token
        try:
            there = read_list(ask(access, "GET", f"{hooks}?per_page=100", _headers(access)))
            known = next((_id(one) for one in there if one.get("url") == hook.url), None)
            method, at = ("POST", hooks) if known is None else ("PUT", f"{hooks}/{known}")
            made = read_object(ask(access, method, at, _headers(access), by_signature))
            if by_signature is not by_token and made.get("signing_token_present") is not True:
                ask(access, "PUT", f"{hooks}/{_id(made)}", _headers(access), by_token)
        except (TokenMayNot, TokenRefused):
            # A token without the scope `api` gets 403, and a deploy token, which is for git alone, 401.
            raise WebhooksNotAllowed from None


def _api(access: Access) -> str:
    return f"{access.origin.plain}/api/v4"


def _headers(access: Access) -> dict[str, str]:
    return {"PRIVATE-TOKEN": access.credential}


def _id(hook: dict[str, Any]) -> int:
    found = hook.get("id")
    if not isinstance(found, int) or isinstance(found, bool):
        raise HostUnreachable
    return found


def _midnight(day: Any) -> datetime:
    """Read the day at whose beginning (UTC) a token ends, as in `2027-01-31`."""
    if not isinstance(day, str) or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)", day, re.ASCII):
        raise HostUnreachable
    try:
        return datetime.fromisoformat(day[:10]).replace(tzinfo=UTC)
    except ValueError:
        raise HostUnreachable from None
