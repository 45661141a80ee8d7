"""A `requests` session, which allauth wants, whose every request goes through the outbound guard."""

from typing import Any, Final

import requests  # noqa: TID251 allauth speaks it; nothing here connects by itself
from django.conf import settings
from requests.adapters import BaseAdapter  # noqa: TID251 the same

from skillport.errors import SkillportError
from skillport.outbound import Outbound

_MOST_BYTES: Final = 256 * 1024
_DEADLINE_SECONDS: Final = 8.0


class _Guard(BaseAdapter):
    """Sends by `Outbound`: checked address, pinned connection, capped size and time, no proxy."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if not isinstance(body, bytes | None):
            raise requests.RequestException("Only a body that is there whole is sent.")
        # The guard writes Host and Content-Length itself, from what it checked and what it sends.
        headers = {
            name: str(value) for name, value in request.headers.items() if name.lower() != "content-length"
        }
        try:
            answer = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS).request(
                request.method or "GET",
                request.url or "",
                headers={**headers, "Accept-Encoding": "identity"},
                content=body or None,
                max_bytes=_MOST_BYTES,
                deadline_seconds=_DEADLINE_SECONDS,
            )
        except SkillportError as error:
            raise requests.ConnectionError(error.message) from None
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response._content = answer.body
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Keep nothing open, so close nothing."""


def guarded_session() -> requests.Session:
    """Give a session that reaches only what the guard allows, follows no redirect and reads no environment."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.adapters.clear()
    session.mount("https://", _Guard())
    session.mount("http://", _Guard())
    return session
