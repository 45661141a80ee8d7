"""The one entry point: the connector, websockets and Django, inside one envelope."""

import contextlib
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

import skillport.celery  # noqa: E402, F401 so that hints go to the broker that the settings name
from connector.mcp.endpoint import Connector, connector_slug  # noqa: E402
from connector.sockets import principal_of_socket  # noqa: E402
from marketplaces.consumers import SyncProgress  # noqa: E402
from marketplaces.patience import ASKING_AT_ONCE, asks_a_git_host  # noqa: E402
from skillport.bodies import WholeBody  # noqa: E402
from skillport.database_threads import in_database_thread, share_of_connections  # noqa: E402
from skillport.envelope import PROBES, AtMost, AtMostAsTheyCome, Envelope, Receive, Scope, Send  # noqa: E402
from skillport.garbage import leave_startup_alone  # noqa: E402
from skillport.organizations.slugs import SLUG_PATTERN  # noqa: E402
from skillport.probes import probe  # noqa: E402
from skillport.roles import verify_application_role  # noqa: E402

# Every websocket, by its address; `{org}` stands for an organization's slug.
SOCKETS: Final[dict[str, Any]] = {
    "/ws/{org}/sync": SyncProgress.as_asgi(authenticate=principal_of_socket),
}
_SOCKETS: Final = [
    (re.compile(address.format(org=f"({SLUG_PATTERN})"), re.ASCII), consumer)
    for address, consumer in SOCKETS.items()
]


class Skillport:
    """Sends each request to whoever answers it."""

    def __init__(self, pages: Any) -> None:
        self._pages = WholeBody(AtMost(pages, limit=share_of_connections()))
        self._patient = WholeBody(AtMostAsTheyCome(pages, limit=ASKING_AT_ONCE))
        self._connector = Connector()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"] in PROBES:
            await probe(scope, send)
        elif scope["type"] == "http" and (slug := connector_slug(scope["path"])):
            await self._connector(slug, scope, receive, send)
        elif scope["type"] == "http" and asks_a_git_host(scope["method"], scope["path"]):
            await self._patient(scope, receive, send)
        elif scope["type"] == "http":
            await self._pages(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        for address, consumer in _SOCKETS:
            if found := address.fullmatch(scope["path"]):
                await consumer({**scope, "organization": found[1]}, receive, send)
                return
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
        leave_startup_alone()
        async with self._connector.running():
            yield


application = Envelope(Skillport(django_application), host=urlsplit(settings.SITE_URL).netloc)
