"""Findings can be read while a sync goes on, stay when it fails, and are not there twice when it is tried again."""

import json
from typing import Any

import pytest

from marketplaces.git.commit import BlobReader
from marketplaces.git.errors import GitStopped
from marketplaces.git.head import ask_head
from marketplaces.models import SyncRun, Trigger
from marketplaces.services import bound, found, queue, sync
from marketplaces.services.caps import LIMITS
from marketplaces.services.quotas import StorageFull
from marketplaces.services.storing import store_blobs
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import bind, sync_now
from tests.repositories import SMALL, NewRepository, skill

LOOSE = {**SMALL, **{f"loose-{number}/SKILL.md": skill(f"loose-{number}") for number in range(3)}}


@pytest.fixture(autouse=True)
def _each_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_WRITE_SECONDS", 0)


class Watcher:
    """An administrator who looks at the newest sync, again and again."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self.seen: list[tuple[str, int, int]] = []

    def look(self) -> None:
        with within(self._cast.acme):
            run = SyncRun.objects.for_organization(self._cast.acme).latest("pk")
        told, findings = bound.get_run(
            principal=self._cast.alice, marketplace_id=run.marketplace_id, run_id=run.pk
        )
        self.seen.append((told.state, told.findings, len(findings)))


def test_they_can_be_read_as_they_come(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = [{"name": f"gone-{number}", "source": f"./gone-{number}"} for number in range(3)]
    listed = {**SMALL, ".claude-plugin/marketplace.json": json.dumps({"name": "t", "owner": {"name": "x"}, "plugins": [*plugins, {"name": "tools", "source": "./plugins/tools"}]})}  # fmt: skip
    watcher, read = Watcher(cast), BlobReader.read

    def watched(reader: BlobReader, git_id: str) -> bytes:
        watcher.look()
        return read(reader, git_id)

    monkeypatch.setattr(BlobReader, "read", watched)
    run = sync_now(cast.alice, bind(cast.alice, new_repository(listed)), worker)
    assert run.state == "succeeded"
    assert watcher.seen[0] == ("running", 0, 0)
    assert ("running", 3, 3) in watcher.seen, "what the list says was told before the last plugin was read"
    watcher.look()
    assert watcher.seen[-1] == ("succeeded", 3, 3)


def test_a_sync_that_fails_after_reading_keeps_what_it_found_and_the_next_try_does_not_double_it(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = bind(cast.alice, new_repository(LOOSE))
    store = store_blobs

    def full(*_: Any) -> Any:
        raise StorageFull

    monkeypatch.setattr(sync, "store_blobs", full)
    failed = sync_now(cast.alice, marketplace_id, worker)
    watcher = Watcher(cast)
    watcher.look()
    monkeypatch.setattr(sync, "store_blobs", store)
    sync_now(cast.alice, marketplace_id, worker)
    watcher.look()
    assert failed.state == "failed"
    assert watcher.seen == [("failed", 3, 3), ("succeeded", 3, 3)]


def test_a_worker_that_takes_over_begins_with_none(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch, no_other_worker: None
) -> None:  # fmt: skip
    marketplace_id = bind(cast.alice, new_repository(LOOSE))
    run_id = queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
    )
    watcher, store = Watcher(cast), store_blobs

    def interrupted(*_: Any) -> Any:
        raise GitStopped

    monkeypatch.setattr(sync, "store_blobs", interrupted)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    watcher.look()

    def watched(*given: Any) -> Any:
        watcher.look()
        return ask_head(*given)

    monkeypatch.setattr(sync, "ask_head", watched)
    monkeypatch.setattr(sync, "store_blobs", store)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    watcher.look()
    assert watcher.seen == [("queued", 3, 3), ("running", 0, 0), ("succeeded", 3, 3)]


def test_no_more_are_written_down_than_are_kept(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "LIMITS", type("Few", (), {"findings": 2}))
    watcher, settle = Watcher(cast), found.Found.settle

    def watched(one: found.Found, findings: Any) -> None:
        watcher.look()
        settle(one, findings)

    monkeypatch.setattr(found.Found, "settle", watched)
    sync_now(cast.alice, bind(cast.alice, new_repository(LOOSE)), worker)
    assert watcher.seen == [("running", 3, 2)]
    assert LIMITS.findings > 2
