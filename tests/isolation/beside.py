"""The ways in that are no addresses of Django's: websockets and tasks."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Origin

from skillport.celery import app as celery
from tests import sockets
from tests.isolation.asking import Caller
from tests.isolation.harvest import Found


def open_socket(caller: Caller, slug: str, address: str) -> ClientConnection:
    """Open a websocket as this caller, from a page of ours where a session is all they have."""
    url = settings.SITE_URL.replace("http", "ws", 1) + address.format(org=slug)
    headers = {name: value for name, value in caller.headers.items() if name != "Origin"}
    return sockets.open_socket(url, additional_headers=headers, origin=Origin(settings.SITE_URL))


def what_a_socket_says(caller: Caller, slug: str, address: str) -> tuple[str, int]:
    """Give how a websocket answered: it opened, or with what it was refused."""
    try:
        with open_socket(caller, slug, address) as socket:
            with suppress(TimeoutError):
                socket.recv(timeout=0.2)
            return "opened", 0
    except InvalidStatus as refused:
        return "refused", refused.response.status_code
    except ConnectionClosed as closed:
        return "closed", closed.rcvd.code if closed.rcvd else 0


def our_tasks() -> dict[str, Any]:
    celery.loader.import_default_modules()
    return {name: task for name, task in celery.tasks.items() if not name.startswith("celery.")}


def forged_messages(values: Sequence[Found], organization_id: UUID) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give messages that name another organization, or none that there is, with ids of the first one's.

    Tasks that take nothing, or an organization alone, can be told nothing wrong.
    """
    for name, task in our_tasks().items():
        named = [
            one
            for one, what in inspect.signature(task.run).parameters.items()
            if what.kind is not what.VAR_KEYWORD
        ]
        if not named:
            continue
        assert "organization_id" in named, f"{name} does not take an organization"
        others = [one for one in named if one != "organization_id"]
        if not others:
            yield from ((name, {"organization_id": str(whose)}) for whose in (organization_id, uuid4()))
            continue
        fitting = [one.value for one in values if any(one.is_a(other) for other in others)]
        assert fitting, f"nothing that was harvested fits {name}"
        for whose in (organization_id, uuid4()):
            for value in fitting:
                yield name, {"organization_id": str(whose), **dict.fromkeys(others, value)}
