"""The connector's address: `POST /<org>/mcp`, beside Django's handler.

Who is calling is settled before the protocol is looked at. OAuth access tokens will be resolved where API keys are
now, in `principal_of_bearer`; nothing else here depends on the kind of credential.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from connector.credentials import principal_of_bearer, require
from connector.mcp.server import build_server, current_principal
from skillport.bodies import WholeBody
from skillport.database_threads import in_database_thread
from skillport.envelope import Receive, Scope, Send
from skillport.errors import SkillportError
from skillport.organizations.slugs import SLUG_PATTERN
from skillport.principal import Door, Principal
from skillport.principal import Scope as CredentialScope

_ADDRESS: Final = re.compile(rf"/({SLUG_PATTERN})/mcp", re.ASCII)


class OnlyPost(SkillportError):
    code = "method_not_allowed"
    status = 405
    headers = {"allow": "POST"}
    message = "Clients send POST to this address."


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
        self._protocol = WholeBody(self._manager.handle_request)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._manager.run():
            yield

    async def __call__(self, slug: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `OnlyPost`, `Unauthenticated` or `ScopeMissing` before the protocol begins."""
        if scope["method"] != "POST":
            raise OnlyPost
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode(
            "latin-1"
        )
        current_principal.set(await in_database_thread(lambda: _principal(header, slug)))
        await self._protocol(scope, receive, send)


def _principal(header: str, slug: str) -> Principal:
    principal = principal_of_bearer(header=header, slug=slug, door=Door.CONNECTOR)
    require(principal, CredentialScope.CONNECTOR)
    return principal
