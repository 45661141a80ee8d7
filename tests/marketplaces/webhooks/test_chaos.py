"""Deliveries that are lost, repeated, late and out of order (T-WH-2), and a broker that does not answer (T-WH-3)."""

import random
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from marketplaces.git.head import ask_head
from marketplaces.services import queue, sync
from marketplaces.services.worker import Worker
from tests.cast import Cast, make_cast
from tests.marketplaces.webhooks.sending import Hook, by_github, by_gitlab, github_push, gitlab_push
from tests.publishing import bind, current_commit, publish
from tests.repositories import SMALL, Files, Repository

BURSTS, DELIVERIES = 10, 1_000


def burst(dice: random.Random, heads: list[str]) -> list[str]:
    """Give the heads that are told of after a push: a fifth lost, a third of the rest twice, old ones too, shuffled."""
    told = [dice.choice(heads[-4:]) for _ in range(DELIVERIES // BURSTS)]
    kept = [head for head in told if dice.random() >= 0.2]
    doubled = kept + [head for head in kept if dice.random() < 0.3]
    dice.shuffle(doubled)
    return doubled


def test_t_wh_2_whatever_arrives_the_newest_commit_is_served_after_two_syncs_at_most(
    cast: Cast, hook: Hook, repository: Repository, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, heads, secret, delivered = (
        random.Random(2026),
        [current_commit(cast.alice, hook.marketplace_id)],
        hook.secret,
        0,
    )
    later: list[str] = []

    def deliver(told: list[str]) -> None:
        for head in told:
            body = github_push(after=head or "")
            assert hook.deliver(body, by_github(secret, body)) == (202, "queued")

    def asked_meanwhile(*args: Any) -> Any:
        deliver(later)
        later.clear()
        return ask_head(*args)

    monkeypatch.setattr(sync, "ask_head", asked_meanwhile)
    for number in range(BURSTS):
        heads.append(repository.commit({**SMALL, "README.md": f"{number}\n"}))
        told = burst(dice, [head or "" for head in heads])
        delivered += len(told)
        half = len(told) // 2
        later.extend(told[half:])  # arrive while the sync is under way
        deliver(told[:half])
        syncs = 0
        while waiting := hook.runs("queued"):
            assert len(waiting) == 1
            sync.run(organization_id=cast.acme.pk, sync_run_id=waiting[0], worker=worker)
            syncs += 1
        assert syncs <= 2
        assert not later
        assert current_commit(cast.alice, hook.marketplace_id) == heads[-1]
    assert delivered >= DELIVERIES * 0.9


@pytest.mark.django_db(transaction=True)
def test_t_wh_3_the_acknowledgement_does_not_wait_for_the_broker(
    new_repository: Callable[[Files], Repository], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = make_cast()
    hook = Hook(cast.alice, publish(cast.alice, new_repository(SMALL), worker))
    asked, thawed, threads = threading.Event(), threading.Event(), list[str]()
    requests = threading.current_thread()

    def send_task(*_: Any, **__: Any) -> None:
        """Hang as a client of a frozen Redis does, until the test is over."""
        threads.append(threading.current_thread().name)
        asked.set()
        if threading.current_thread() is not requests:  # there it would hang for ever: it fails below
            thawed.wait()

    monkeypatch.setattr(queue, "current_app", SimpleNamespace(send_task=send_task))
    try:
        for _ in range(20):
            body = gitlab_push()
            assert hook.deliver(body, by_gitlab(hook.secret, body)) == (202, "queued")
        assert asked.wait(20), "the broker was told, by somebody"
        assert not thawed.is_set()
        assert requests.name not in threads
        assert len(threads) == 1, "the first hint has hung all the while"
        assert hook.waiting == 1
    finally:
        thawed.set()


def test_a_burst_for_one_marketplace_queues_nothing_for_its_neighbour(
    cast: Cast, hook: Hook, new_repository: Callable[[Files], Repository]
) -> None:
    other = Hook(cast.charlie, bind(cast.charlie, new_repository({})))
    before = other.waiting
    body = github_push()
    for _ in range(5):
        hook.deliver(body, by_github(hook.secret, body))
    assert (hook.waiting, other.waiting) == (1, before)
