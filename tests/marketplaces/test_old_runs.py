"""Old syncs are forgotten, and what people look up stays."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from marketplaces.models import RunState, SyncFinding, SyncRun, Trigger
from marketplaces.services import old_runs
from marketplaces.services.old_runs import forget_old_runs
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import bind
from tests.repositories import SMALL, NewRepository


@pytest.fixture
def write(cast: Cast, new_repository: NewRepository) -> Callable[..., SyncRun]:
    """Give a function that writes a sync that ended so many days ago."""
    marketplace_id = bind(cast.alice, new_repository(SMALL))
    with within(cast.acme):
        SyncRun.objects.for_organization(cast.acme).delete()

    def write(state: RunState, days: int) -> SyncRun:
        with within(cast.acme):
            return SyncRun.objects.create(
                organization=cast.acme, marketplace_id=marketplace_id, trigger=Trigger.POLL, state=state,
                ended_at=Now() - timedelta(days=days),
            )  # fmt: skip

    return write


def left(cast: Cast) -> list[int]:
    with within(cast.acme):
        return list(SyncRun.objects.for_organization(cast.acme).order_by("pk").values_list("pk", flat=True))


def test_what_found_nothing_new_goes_after_a_week_and_the_rest_after_a_year(
    cast: Cast, write: Callable[..., SyncRun]
) -> None:
    gone = [write(RunState.UNCHANGED, 8), write(RunState.FAILED, 366), write(RunState.SUCCEEDED, 366)]
    kept = [
        write(RunState.UNCHANGED, 6),
        write(RunState.FAILED, 364),
        write(RunState.SUCCEEDED, 364),
        write(RunState.UNCHANGED, 400),
    ]
    with within(cast.acme):
        SyncFinding.objects.create(
            organization=cast.acme, sync_run=gone[1], severity="error", code="x", reason="x", remedy="x"
        )
    assert forget_old_runs(cast.acme.pk) == 3
    assert left(cast) == [run.pk for run in kept], "the newest of a marketplace stays, however old"
    assert forget_old_runs(cast.acme.pk) == 0
    with within(cast.acme):
        assert not SyncFinding.objects.for_organization(cast.acme).exists()


def test_of_very_many_the_newest_are_kept(
    cast: Cast, write: Callable[..., SyncRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "MOST_KEPT", 3)
    monkeypatch.setattr(old_runs, "_AT_ONCE", 2)
    runs = [write(RunState.FAILED, 1) for _ in range(8)]
    assert forget_old_runs(cast.acme.pk) == 5
    assert left(cast) == [run.pk for run in runs[-3:]]


def test_what_waits_or_runs_stays(cast: Cast, write: Callable[..., SyncRun]) -> None:
    waiting = write(RunState.QUEUED, 400)
    with within(cast.acme):
        SyncRun.objects.for_organization(cast.acme).filter(pk=waiting.pk).update(ended_at=None)
    newest = write(RunState.FAILED, 400)
    assert forget_old_runs(cast.acme.pk) == 0
    assert left(cast) == [waiting.pk, newest.pk]
