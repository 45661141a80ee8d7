"""Watching a sync over a websocket, on the real server."""

import json
from collections.abc import Callable

import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from marketplaces.models import Trigger
from marketplaces.services import queue
from skillport.organizations.services import end_membership
from tests.cast import key_of, make_cast
from tests.publishing import bind
from tests.repositories import SMALL, Files, Repository
from tests.running import Running

NewRepository = Callable[[Files], Repository]


def watch(slug: str, key: str) -> ClientConnection:
    address = settings.SITE_URL.replace("http", "ws") + f"/ws/{slug}/sync"
    return connect(address, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None)


def test_a_watcher_sees_each_phase_until_the_end(live: Running, new_repository: NewRepository) -> None:
    cast = make_cast()
    with watch("acme", key_of(cast.alice)) as socket:
        bind(cast.alice, new_repository(SMALL))
        seen = []
        while "state" not in (message := json.loads(socket.recv(timeout=20))):
            seen.append(message["phase"])
    assert message["state"] == "succeeded"
    assert list(dict.fromkeys(seen)) == ["fetching", "reading", "storing", "publishing"]


def test_another_organizations_watcher_sees_nothing(live: Running, new_repository: NewRepository) -> None:
    cast = make_cast()
    with watch("globex", key_of(cast.charlie)) as theirs, watch("acme", key_of(cast.alice)) as ours:
        bind(cast.alice, new_repository(SMALL))
        while "state" not in json.loads(ours.recv(timeout=20)):
            pass
        with pytest.raises(TimeoutError):
            theirs.recv(timeout=0.2)


def test_who_may_not_watch_is_not_let_in(live: Running) -> None:
    cast = make_cast()
    for slug, key in [("acme", key_of(cast.charlie)), ("acme", ""), ("nobody", key_of(cast.alice))]:
        with pytest.raises((InvalidStatus, ConnectionClosed)), watch(slug, key) as socket:
            socket.recv(timeout=5)


def test_a_watcher_whose_membership_ends_is_put_out_within_a_second(
    live: Running, new_repository: NewRepository
) -> None:
    cast = make_cast()
    with watch("acme", key_of(cast.bob)) as socket:
        end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=3)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_nothing_is_sent_to_a_watcher_after_the_membership_ended(
    live: Running, new_repository: NewRepository
) -> None:
    cast = make_cast()
    marketplace_id = bind(cast.alice, new_repository({}))
    with watch("acme", key_of(cast.bob)) as socket:
        live.wait_until_idle()
        while True:
            try:
                socket.recv(timeout=0.2)
            except TimeoutError:
                break
        end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
        queue.request_sync(
            organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
        )
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=3)
