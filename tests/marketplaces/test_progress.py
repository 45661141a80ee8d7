"""Watching a sync over a websocket, on the real server."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from marketplaces.models import Marketplace, Phase, RunState, SyncRun, Trigger
from marketplaces.services import queue, watching
from skillport.organizations.services.members import end_membership
from skillport.scoping import within
from tests.away import database_away
from tests.cast import Cast, key_of, make_cast
from tests.publishing import bind
from tests.repositories import SMALL, NewRepository, skill
from tests.running import Running
from tests.skillport.organizations.moments import NOON
from tests.sockets import open_socket
from tests.watching import frame, present_state


def watch(slug: str, key: str) -> ClientConnection:
    address = settings.SITE_URL.replace("http", "ws") + f"/ws/{slug}/sync"
    return open_socket(address, additional_headers={"Authorization": f"Bearer {key}"})


def test_a_watcher_sees_each_phase_until_the_end(live: Running, new_repository: NewRepository) -> None:
    cast = make_cast()
    with watch("acme", key_of(cast.alice)) as socket:
        assert present_state(socket) == []
        bind(cast.alice, new_repository({**SMALL, "loose/SKILL.md": skill("loose")}))
        seen = []
        while "state" not in (message := frame(socket)):
            seen.append(message)
    assert message["state"] == "succeeded"
    assert list(dict.fromkeys(one["phase"] for one in seen)) == [
        "fetching",
        "reading",
        "storing",
        "publishing",
    ]
    assert (seen[0]["requests"], seen[-1]["requests"]) == (1, 3)
    assert seen[-1]["received_bytes"] > seen[0]["received_bytes"] > 0
    assert (seen[0]["findings"], seen[-1]["findings"]) == (0, 1)
    assert any(one["total"] and one["done"] == one["total"] for one in seen)


@pytest.fixture
def under_way(cast: Cast) -> SyncRun:
    """A run in the middle of storing, and one that waits behind it; there is no worker that would go on."""
    with within(cast.acme):
        marketplace = Marketplace.objects.create(
            organization=cast.acme, slug="skills", url="https://git.example/a.git"
        )
        SyncRun.objects.create(
            organization=cast.acme,
            marketplace=marketplace,
            trigger=Trigger.POLL,
            state=RunState.FAILED,
            ended_at=NOON,
        )
        run = SyncRun.objects.create(
            organization=cast.acme, marketplace=marketplace, trigger=Trigger.POLL, state=RunState.RUNNING, phase=Phase.STORING,
            done=3, total=9, found=2, requests=3, received_bytes=4096, fence=1, started_at=NOON,
            leased_until=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
        SyncRun.objects.create(organization=cast.acme, marketplace=marketplace, trigger=Trigger.WEBHOOK)
    return run


def test_whoever_comes_late_or_again_is_told_where_each_open_run_stands(
    cast: Cast, under_way: SyncRun
) -> None:
    *open_runs, named = watching.present_state(cast.alice)
    assert open_runs[0] == {
        "sync_run": under_way.pk, "marketplace": str(under_way.marketplace_id), "phase": "storing",
        "phase_label": "storing files", "done": 3, "total": 9, "findings": 2, "requests": 3, "received_bytes": 4096,
    }  # fmt: skip
    assert [one["phase_label"] for one in open_runs] == ["storing files", "waiting for a worker"]
    assert named == {"open": [one["sync_run"] for one in open_runs]}
    assert watching.present_state(cast.alice) == [*open_runs, named]
    assert watching.present_state(cast.charlie) == [{"open": []}]


def test_another_organizations_watcher_sees_nothing(live: Running, new_repository: NewRepository) -> None:
    cast = make_cast()
    with watch("globex", key_of(cast.charlie)) as theirs, watch("acme", key_of(cast.alice)) as ours:
        present_state(theirs)
        bind(cast.alice, new_repository(SMALL))
        while "state" not in frame(ours):
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
        present_state(socket)
        end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_nothing_is_sent_to_a_watcher_after_the_membership_ended(
    live: Running, new_repository: NewRepository
) -> None:
    cast = make_cast()
    with watch("acme", key_of(cast.bob)) as socket:
        marketplace_id = bind(cast.alice, new_repository({}))
        while frame(socket).get("state") != RunState.FAILED:
            pass  # the frame that tells the end of the sync is the last one
        end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
        queue.request_sync(
            organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
        )
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)


def test_a_watcher_whose_credential_cannot_be_looked_up_is_put_out(live: Running) -> None:
    """Otherwise a key that is revoked meanwhile would go on watching."""
    cast = make_cast()
    with (
        watch("acme", key_of(cast.bob)) as socket,
        database_away(),
        pytest.raises(ConnectionClosed) as closed,
    ):
        while True:
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013, "try again later"
