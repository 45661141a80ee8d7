"""The connector's address: `POST /<org>/mcp`, beside Django's handler.

Who is calling is settled before the protocol is looked at. OAuth access tokens will be resolved where API keys are
now, in `principal_of_bearer`; nothing else here depends on the kind of credential.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from connector.credentials import ScopeMissing, Unauthenticated, principal_of_bearer, require
from connector.mcp.server import build_server, current_principal
from skillport.database_threads import in_database_thread
from skillport.envelope import Receive, Scope, Send
from skillport.errors import SkillportError
from skillport.organizations.slugs import SLUG_PATTERN
from skillport.principal import Door, Principal
from skillport.principal import Scope as CredentialScope

_ADDRESS: Final = re.compile(rf"/({SLUG_PATTERN})/mcp", re.ASCII)


def connector_slug(path: str) -> str | None:
    """Give the organization's slug when `path` is a connector's address."""
    found = _ADDRESS.fullmatch(path)
    return found[1] if found else None


class Connector:
    """One protocol server for all organizations; who is calling travels with each request."""

    def __init__(self) -> None:
        self._manager = StreamableHTTPSessionManager(
            build_server(),
            stateless=True,
            json_response=True,
            security_settings=TransportSecuritySettings(
                allowed_hosts=[urlsplit(settings.SITE_URL).netloc], allowed_origins=[settings.SITE_URL]
            ),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._manager.run():
            yield

    async def __call__(self, slug: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, {"allow": "POST"}, SkillportError("Clients send POST to this address."))
            return
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode(
            "latin-1"
        )
        try:
            principal = await in_database_thread(lambda: _principal(header, slug))
        except Unauthenticated as error:
            await _answer(send, 401, {"www-authenticate": 'Bearer realm="skillport"'}, error)
            return
        except ScopeMissing as error:
            challenge = f'Bearer realm="skillport", error="insufficient_scope", scope="{error.scope}"'
            await _answer(send, 403, {"www-authenticate": challenge}, error)
            return
        current_principal.set(principal)
        await self._manager.handle_request(scope, receive, send)


def _principal(header: str, slug: str) -> Principal:
    principal = principal_of_bearer(header=header, slug=slug, door=Door.CONNECTOR)
    require(principal, CredentialScope.CONNECTOR)
    return principal


async def _answer(send: Send, status: int, headers: dict[str, str], error: SkillportError) -> None:
    body = json.dumps(error.as_json()).encode()
    sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
