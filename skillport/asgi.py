"""The one entry point: the connector, websockets and Django, inside one envelope."""

import contextlib
import gc
import os
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skillport.settings")
django_application = get_asgi_application()

# Django must be set up before anything that has models is imported.
from django.conf import settings  # noqa: E402

from connector.credentials import principal_of_bearer, require  # noqa: E402
from connector.mcp.endpoint import Connector, connector_slug  # noqa: E402
from marketplaces.consumers import SyncProgress  # noqa: E402
from skillport.database_threads import in_database_thread, share_of_connections  # noqa: E402
from skillport.envelope import AtMost, Envelope, Receive, Scope, Send  # noqa: E402
from skillport.organizations.slugs import SLUG_PATTERN  # noqa: E402
from skillport.principal import Door, Principal  # noqa: E402
from skillport.principal import Scope as CredentialScope  # noqa: E402
from skillport.roles import verify_application_role  # noqa: E402

_SYNC_SOCKET: Final = re.compile(rf"/ws/({SLUG_PATTERN})/sync", re.ASCII)


def _watcher(scope: Scope) -> Principal:
    """Give who opens a websocket: the bearer of an API key. Raises `Unauthenticated` or `ScopeMissing`."""
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode(
        "latin-1"
    )
    principal = principal_of_bearer(header=header, slug=scope["organization"], door=Door.SOCKET)
    require(principal, CredentialScope.SKILLS_READ)
    return principal


class Skillport:
    """Sends each request to whoever answers it."""

    def __init__(self, pages: Any) -> None:
        self._pages = AtMost(pages, limit=share_of_connections())
        self._connector = Connector()
        self._sync_progress: Any = SyncProgress.as_asgi(authenticate=_watcher)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and (slug := connector_slug(scope["path"])):
            await self._connector(slug, scope, receive, send)
        elif scope["type"] == "http":
            await self._pages(scope, receive, send)
        elif found := _SYNC_SOCKET.fullmatch(scope["path"]):
            await self._sync_progress({**scope, "organization": found[1]}, receive, send)
        else:
            await send({"type": "websocket.close", "code": 4404})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._running())
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        await in_database_thread(verify_application_role)
        # What start-up has made stays for good: not looking at it again in every collection takes the long pauses
        # out of the answer times.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)
        async with self._connector.running():
            yield


application = Envelope(Skillport(django_application), host=urlsplit(settings.SITE_URL).netloc)
