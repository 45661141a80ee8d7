"""What the end of a sync means for the next one: pauses that grow, errors that wait for people, commits left alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from marketplaces.git.errors import FetchFailed, PinnedCommitMissing, RepositoryError, RepositoryMoved
from marketplaces.git.head import Head
from marketplaces.models import Marketplace, SyncRun, Trigger
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.services import changing, leases, outcomes, queue, sync
from marketplaces.services.binding import replace_credential
from marketplaces.services.credentials import Credential
from marketplaces.services.queue import SyncsStopped
from marketplaces.services.quotas import StorageFull
from marketplaces.services.worker import Worker
from skillport.outbound import HostUnreachable
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import bind, current_commit, publish, sync_now
from tests.repositories import SMALL, NewRepository

BROKEN = {**SMALL, ".claude-plugin/marketplace.json": "{"}


def look(cast: Cast, marketplace_id: UUID, worker: Worker, trigger: Trigger = Trigger.POLL) -> SyncRun:
    """Do what the clock does: queue a sync, and run it."""
    run_id = queue.request_sync(
        organization=cast.acme, marketplace_id=marketplace_id, trigger=trigger, actor=cast.alice
    )
    sync.run(organization_id=cast.acme.pk, sync_run_id=run_id, worker=worker)
    with within(cast.acme):
        return SyncRun.objects.for_organization(cast.acme).get(pk=run_id)


def row(cast: Cast, marketplace_id: UUID) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get(pk=marketplace_id)


def change(cast: Cast, marketplace_id: UUID, **fields: Any) -> None:
    with within(cast.acme):
        Marketplace.objects.for_organization(cast.acme).filter(pk=marketplace_id).update(**fields)


def test_a_refused_token_is_shown_to_the_host_once_and_then_waits_for_a_person(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    right = repository.token
    replace_credential(
        principal=cast.alice, marketplace_id=marketplace_id, credential=Credential("revoked-0123456789")
    )
    asked = len(repository.host.exchanges)
    assert look(cast, marketplace_id, worker).error_code == "credential_refused"
    assert row(cast, marketplace_id).attention == "credential_refused"
    assert len(repository.host.exchanges) == asked + 1
    change(cast, marketplace_id, next_poll_at=Now() - timedelta(seconds=1))
    assert queue.poll_due() == []
    for trigger in (Trigger.POLL, Trigger.WEBHOOK):
        with pytest.raises(SyncsStopped):
            look(cast, marketplace_id, worker, trigger)
    assert len(repository.host.exchanges) == asked + 1
    replace_credential(principal=cast.alice, marketplace_id=marketplace_id, credential=Credential(right))
    assert look(cast, marketplace_id, worker).state == "unchanged"
    assert row(cast, marketplace_id).attention == ""
    change(cast, marketplace_id, next_poll_at=Now() - timedelta(seconds=1))
    assert queue.poll_due() == [(cast.acme.pk, marketplace_id)]


def in_trouble(*_: object) -> Head:
    raise RepositoryError


def test_a_host_in_trouble_is_asked_after_growing_pauses_and_never_given_up(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    pauses = []
    with monkeypatch.context() as patched:
        patched.setattr(sync, "ask_head", in_trouble)
        for _ in range(8):
            assert look(cast, marketplace_id, worker).error_code == "repository_unreadable"
            with within(cast.acme):
                own = Marketplace.objects.for_organization(cast.acme).filter(pk=marketplace_id)
                pauses.append(own.values_list(F("next_poll_at") - Now(), flat=True).get().total_seconds())
    for number, pause in enumerate(pauses):
        wanted = min(POLL_SECONDS * 2**number, outcomes.LONGEST_PAUSE_SECONDS)
        assert wanted - 60 < pause <= wanted * 1.1, "measured a moment after it was written"
    found = row(cast, marketplace_id)
    assert (found.attention, found.quarantined_until, found.failures) == ("", None, 8)
    assert look(cast, marketplace_id, worker).state == "unchanged"
    assert row(cast, marketplace_id).failures == 0


def test_a_commit_that_fails_three_times_is_left_alone_until_there_is_another(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    good, bad = current_commit(cast.alice, marketplace_id), repository.commit(BROKEN)
    for _ in range(3):
        failed = look(cast, marketplace_id, worker)
        assert (failed.state, failed.commit) == ("failed", bad)
    asked = len(repository.host.exchanges)
    assert look(cast, marketplace_id, worker).state == "unchanged"
    assert len(repository.host.exchanges) == asked + 1, (
        "the host was asked for its newest commit, and for no more"
    )
    assert current_commit(cast.alice, marketplace_id) == good
    assert look(cast, marketplace_id, worker, Trigger.MANUAL).state == "failed", (
        "a person may have it tried again"
    )
    assert row(cast, marketplace_id).commit_failures == 1
    for _ in range(2):
        look(cast, marketplace_id, worker)
    assert row(cast, marketplace_id).quarantined_until is not None
    mended = repository.commit({**SMALL, "NEWS.md": "Mended.\n"})
    assert look(cast, marketplace_id, worker).state == "succeeded"
    assert current_commit(cast.alice, marketplace_id) == mended
    assert row(cast, marketplace_id).quarantined_until is None


def test_after_a_day_it_is_tried_again(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = bind(cast.alice, new_repository(BROKEN))
    states = [look(cast, marketplace_id, worker).state for _ in range(4)]
    assert states == ["failed", "failed", "failed", "unchanged"]
    tomorrow = timezone.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: tomorrow)
    assert look(cast, marketplace_id, worker).state == "failed"


def test_a_host_in_trouble_does_not_end_a_quarantine(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = bind(cast.alice, new_repository(BROKEN))
    for _ in range(3):
        look(cast, marketplace_id, worker)
    with monkeypatch.context() as patched:
        patched.setattr(sync, "ask_head", in_trouble)
        assert look(cast, marketplace_id, worker).error_code == "repository_unreadable"
    assert look(cast, marketplace_id, worker).state == "unchanged"


def test_a_commit_that_ends_its_workers_is_left_alone_at_once(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository({})
    head = repository.commit(SMALL)
    marketplace_id = bind(cast.alice, repository)
    with within(cast.acme):
        run = SyncRun.objects.for_organization(cast.acme).get()

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sync, "describe", kill)
        for _ in range(3):
            with pytest.raises(Killed):
                sync.run(organization_id=cast.acme.pk, sync_run_id=run.pk, worker=worker)
            with within(cast.acme):
                lost = SyncRun.objects.for_organization(cast.acme).filter(pk=run.pk)
                lost.update(leased_until=Now() - timedelta(seconds=1))
    sync.run(organization_id=cast.acme.pk, sync_run_id=run.pk, worker=worker)
    with within(cast.acme):
        run.refresh_from_db()
    assert (run.error_code, run.commit) == ("workers_lost", head)
    assert look(cast, marketplace_id, worker).state == "unchanged", "no more workers are lost to it"
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"


def test_a_branch_that_vanished_is_looked_for_again(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    change(cast, marketplace_id, branch="next")
    assert look(cast, marketplace_id, worker).error_code == "branch_not_found"
    assert row(cast, marketplace_id).attention == ""
    repository.commit({**SMALL, "NEWS.md": "x"}, branch="next")
    assert look(cast, marketplace_id, worker).state == "succeeded"


def test_what_a_worker_that_lost_its_lease_says_of_the_outcome_is_ignored(
    cast: Cast, new_repository: NewRepository
) -> None:
    marketplace_id = bind(cast.alice, new_repository(SMALL))
    with within(cast.acme):
        run = SyncRun.objects.for_organization(cast.acme).get()
    late = leases.take(organization_id=cast.acme.pk, sync_run_id=run.pk, worker="late")
    assert late is not None
    with within(cast.acme):
        queue.cancel_syncs(cast.acme.pk, marketplace_id)
    outcomes.after_failure(late, SyncsStopped("x"))
    assert row(cast, marketplace_id).failures == 0


@pytest.mark.parametrize("error", [FetchFailed, PinnedCommitMissing, HostUnreachable, StorageFull])
def test_a_commit_is_not_blamed_for_what_comes_from_elsewhere(
    cast: Cast,
    new_repository: NewRepository,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    marketplace_id = bind(cast.alice, new_repository(SMALL))

    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(sync, "_import", fails)
        for _ in range(4):
            assert look(cast, marketplace_id, worker).state == "failed"
    assert row(cast, marketplace_id).quarantined_until is None
    assert look(cast, marketplace_id, worker).state == "succeeded"


def test_who_never_looks_for_new_commits_has_what_failed_tried_again(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    change(cast, marketplace_id, poll_seconds=0, next_poll_at=None)
    with monkeypatch.context() as patched:
        patched.setattr(sync, "ask_head", in_trouble)
        look(cast, marketplace_id, worker, Trigger.WEBHOOK)
    change(cast, marketplace_id, next_poll_at=F("next_poll_at") - timedelta(hours=1))
    assert queue.poll_due() == [(cast.acme.pk, marketplace_id)]
    assert look(cast, marketplace_id, worker).state == "unchanged"
    assert row(cast, marketplace_id).next_poll_at is None


def test_a_host_that_is_slow_to_redirect_cannot_take_back_an_address_that_was_changed(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the credential that was entered for the new host would go to the old one."""
    repository = new_repository(SMALL)
    marketplace_id = bind(cast.alice, repository)

    def confirmed_meanwhile(*_: object) -> Head:
        change(cast, marketplace_id, url="https://new.example/skills.git")
        return Head("1" * 40, "main", f"{repository.url}.git")

    monkeypatch.setattr(sync, "ask_head", confirmed_meanwhile)
    look(cast, marketplace_id, worker)
    assert row(cast, marketplace_id).url == "https://new.example/skills.git"


def test_a_token_is_replaced_while_syncs_are_paused(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    changing.pause_syncs(principal=cast.alice, marketplace_id=marketplace_id)
    new = "another-token-0123456789"
    assert (
        replace_credential(principal=cast.alice, marketplace_id=marketplace_id, credential=Credential(new))
        is None
    )
    assert row(cast, marketplace_id).credential.open() == new


def test_administrators_hear_once_of_what_waits_for_them(
    cast: Cast, new_repository: NewRepository, worker: Worker, mailoutbox: list[Any]
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    replace_credential(
        principal=cast.alice, marketplace_id=marketplace_id, credential=Credential("revoked-0123456789")
    )
    look(cast, marketplace_id, worker, Trigger.MANUAL)
    assert mailoutbox == [], "whoever asked for it sees it"
    change(cast, marketplace_id, attention="")
    look(cast, marketplace_id, worker)
    (sent,) = mailoutbox
    assert sent.recipients() == ["alice@example.org"], (
        "members cannot put it right, and neighbours hear nothing"
    )
    assert sent.subject == "skills in Acme is not brought up to date"
    assert "does not accept this token" in sent.body
    assert f"/acme/settings/marketplaces/{marketplace_id}/" in sent.body
    assert "revoked" not in sent.body


def test_administrators_hear_once_of_a_commit_that_is_left_alone(
    cast: Cast, new_repository: NewRepository, worker: Worker, mailoutbox: list[Any]
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    repository.commit(BROKEN)
    told = []
    for _ in range(outcomes.MOST_FAILURES + 2):
        look(cast, marketplace_id, worker)
        change(cast, marketplace_id, quarantined_until=None)  # as a day later
        told.append(len(mailoutbox))
    assert told == [0, 0, 1, 1, 1]
    assert "tries it again tomorrow" in mailoutbox[0].body


def test_administrators_hear_of_a_host_that_is_away_for_hours_and_not_of_every_hiccup(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:  # fmt: skip
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    monkeypatch.setattr(sync, "ask_head", in_trouble)
    told = []
    for _ in range(outcomes.FAILURES_BEFORE_MAIL + 2):
        look(cast, marketplace_id, worker)
        told.append(len(mailoutbox))
    assert told == [0, 0, 0, 0, 0, 1, 1, 1]
    assert "goes on trying" in mailoutbox[0].body


def test_no_mail_has_the_words_of_a_host(
    cast: Cast, new_repository: NewRepository, worker: Worker, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:  # fmt: skip
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)

    def moved(*_: object) -> Head:
        raise RepositoryMoved("https://sign-in.example/x", "https://sign-in.example/x.git")

    monkeypatch.setattr(sync, "ask_head", moved)
    look(cast, marketplace_id, worker)
    (sent,) = mailoutbox
    assert "Its page says why." in sent.body
    assert "sign-in.example" not in sent.body + sent.subject
