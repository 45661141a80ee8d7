"""PostgreSQL restarts in the middle of a sync: nothing half is served, the run is found again, and another worker ends it."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now

from marketplaces.models import SyncRun, Trigger
from marketplaces.services import publishing, queue, sync
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.addresses import application_url
from tests.cast import make_cast
from tests.publishing import current_commit, publish
from tests.repositories import SMALL, NewRepository, skill


def restart() -> None:
    """End every connection of the application to the test database, as a server does that restarts."""
    with psycopg.connect(application_url(connection.settings_dict)) as application:
        application.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize(
    ("module", "step"),
    [(sync, "ask_head"), (sync, "describe"), (sync, "store_blobs"), (sync, "publish"), (publishing, "serve")],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_run_is_found_again_and_ended(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository, worker: Worker,
    monkeypatch: pytest.MonkeyPatch, module: Any, step: str,
) -> None:  # fmt: skip
    cast, repository = make_cast(), new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    before = current_commit(cast.alice, marketplace_id)
    newest = repository.commit({**SMALL, "plugins/tools/skills/hello/SKILL.md": skill("hello", "Says more.")})
    run_id = queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=cast.alice
    )
    take = getattr(module, step)

    def interrupted(*given: Any, **named: Any) -> Any:
        restart()
        return take(*given, **named)

    monkeypatch.setattr(module, step, interrupted)
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    monkeypatch.setattr(module, step, take)
    connection.close()
    assert current_commit(cast.alice, marketplace_id) == before
    with within(cast.acme):
        runs = SyncRun.objects.for_organization(cast.acme).filter(pk=run_id)
        run = runs.get()
        assert (run.state, run.attempts) == ("running", 1), "nobody could write down that it failed"
        runs.update(leased_until=Now() - timedelta(seconds=1))
    assert queue.sweep() == 1
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    with within(cast.acme):
        assert runs.get().state == "succeeded"
    assert current_commit(cast.alice, marketplace_id) == newest
