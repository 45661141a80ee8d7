"""The jobs that mirror: few at once, each bounded, taken up again when a worker is lost, pausing when a host asks for it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.db.models.functions import Now

from marketplaces.git.errors import FetchFailed
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.models import Blob, ExternalFile, ExternalSource, ExternalUse
from marketplaces.services import caps
from marketplaces.services.external import hosts, leases, mirroring
from marketplaces.services.external.leases import AT_ONCE, take_next
from marketplaces.services.external.queue import sweep_mirrors
from marketplaces.services.gone_copies import forget_left_mirrors
from marketplaces.services.leases import LeaseLost
from marketplaces.services.worker import Worker, make_worker
from skillport.outbound import Origin, Outbound
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.external.conftest import Elsewhere, MirrorAll, change, queued, source_of
from tests.marketplaces.external.test_mirroring import FAR, far, listing
from tests.marketplaces.git.hosts import FakeHost, always
from tests.publishing import bind, sync_now
from tests.repositories import NewRepository

Listed = Callable[..., UUID]


@pytest.fixture
def listed(cast: Cast, new_repository: NewRepository, worker: Worker, elsewhere: Elsewhere) -> Listed:
    """Give a function that binds and syncs a marketplace with these external plugins; nothing is mirrored yet."""

    def make(*plugins: dict[str, object], allowed: str = "") -> UUID:
        marketplace_id = bind(cast.alice, new_repository(listing(*plugins)))
        hosts.allow_hosts(
            principal=cast.alice, marketplace_id=marketplace_id, hosts=[allowed or elsewhere.name]
        )
        sync_now(cast.alice, marketplace_id, worker)
        return marketplace_id

    return make


def test_an_organization_has_few_mirrors_at_once(cast: Cast, listed: Listed, elsewhere: Elsewhere) -> None:
    there = elsewhere.public(FAR)
    listed(*(far(there, f"far-{number}", ref=f"r{number}") for number in range(AT_ONCE + 1)))
    organization_id = cast.alice.organization_id
    taken = [take_next(organization_id=organization_id, worker="w") for _ in range(AT_ONCE + 1)]
    first, *_, last = taken
    assert first
    assert last is None
    leases.give_back(first)
    assert take_next(organization_id=organization_id, worker="w"), "there is room again"


def test_a_lost_workers_source_is_taken_up_again_and_it_can_write_no_more(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    listed(far(there))
    lost = take_next(organization_id=cast.alice.organization_id, worker="lost")
    assert lost
    assert mirror_all(cast.alice) == 0, "somebody has it"
    leases.release_mirrors_of("another")
    assert mirror_all(cast.alice) == 0
    leases.release_mirrors_of("lost")
    assert mirror_all(cast.alice) == 1
    with pytest.raises(LeaseLost):
        leases.renew(lost)
    with pytest.raises(LeaseLost):
        mirroring._write(lost, "0" * 40, [""], [], {})
    assert source_of(cast.alice, there).file_count == len(FAR)


def test_what_ends_worker_after_worker_is_given_up(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    listed(far(there))
    for _ in range(caps.MAX_ATTEMPTS):
        assert take_next(organization_id=cast.alice.organization_id, worker="lost")
        change(cast.alice, there, leased_until=Now() - timedelta(seconds=1))
    assert mirror_all(cast.alice) == 1
    source = source_of(cast.alice, there)
    assert (source.state, source.error_code, source.attempts) == ("failed", "workers_lost", 0)


def test_a_host_that_asks_for_a_pause_gets_it_from_all_sources_there(
    cast: Cast, listed: Listed, mirror_all: MirrorAll, worker: Worker
) -> None:
    with FakeHost(always(429, retry_after="1800")) as busy:
        origin = Origin.parse(busy.url)
        patient = make_worker(
            name="test",
            folder=worker.folder,
            outbound=Outbound(frozenset({*worker.outbound.allowed_origins, origin})),
        )
        names = [{"source": "url", "url": f"{busy.url}/{number}.git"} for number in range(3)]
        listed(
            *({"name": f"far-{number}", "source": source} for number, source in enumerate(names)),
            allowed=busy.url.removeprefix("http://"),
        )
        for _ in range(3):
            mirroring.run_next(organization_id=cast.alice.organization_id, worker=patient)
        assert len(busy.requests) == 1


def test_a_repository_that_is_too_large_is_refused_with_a_reason(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, mirror_all: MirrorAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = elsewhere.public(FAR)
    listed(far(there))
    monkeypatch.setattr(mirroring, "MAX_ENTRIES", 3)
    mirror_all(cast.alice)
    assert source_of(cast.alice, there).error_code == "repository_too_large"


def test_no_copy_outlives_its_job_and_what_a_killed_one_left_is_removed(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, mirror_all: MirrorAll, worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    there = elsewhere.public(FAR)
    listed(far(there))
    seen: list[Path] = []
    fetch = KeptCopy.fetch

    def fetch_and_fail(copy: KeptCopy, *arguments: Any) -> None:
        fetch(copy, *arguments)
        seen.append(copy.path)
        raise FetchFailed

    with monkeypatch.context() as failing:
        failing.setattr(KeptCopy, "fetch", fetch_and_fail)
        mirror_all(cast.alice)
    assert seen
    assert [path for path in seen if path.exists()] == []
    left = worker.mirrors_of(cast.alice.organization_id) / str(source_of(cast.alice, there).pk)
    left.mkdir(parents=True)
    change(cast.alice, there, state="waiting", not_before=None)
    assert take_next(organization_id=cast.alice.organization_id, worker="here")
    forget_left_mirrors(worker)
    assert left.exists(), "a worker has it"
    change(cast.alice, there, state="waiting", slot=None)
    forget_left_mirrors(worker)
    assert not left.exists()


def test_blobs_of_a_mirror_cannot_be_deleted_before_they_are_served(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, mirror_all: MirrorAll
) -> None:
    there = elsewhere.public(FAR)
    listed(far(there))
    mirror_all(cast.alice)
    with pytest.raises(IntegrityError), within(cast.acme):
        held = ExternalFile.objects.for_organization(cast.acme).values_list("blob_id", flat=True)
        blobs = Blob.objects.for_organization(cast.acme).filter(pk__in=list(held))
        blobs._raw_delete(blobs.db)  # as a collector would, past Django's own look


def test_arrivals_are_put_in_place_together(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, worker: Worker
) -> None:
    first, second = elsewhere.public(FAR), elsewhere.public(FAR)
    listed(far(first), far(second, "more"))
    assert mirroring.run_next(organization_id=cast.alice.organization_id, worker=worker)
    assert queued(cast.alice) == [], "another one is on its way"
    assert mirroring.run_next(organization_id=cast.alice.organization_id, worker=worker)
    assert queued(cast.alice) == ["mirror"]


def test_jobs_whose_worker_is_gone_come_before_those_that_nobody_has_begun(
    cast: Cast, listed: Listed, elsewhere: Elsewhere
) -> None:
    """They hold the slots: whoever waits behind a new source would wait for ever."""
    there = elsewhere.public(FAR)
    listed(*(far(there, f"far-{number}", ref=f"r{number}") for number in range(AT_ONCE + 1)))
    organization_id = cast.alice.organization_id
    begun = [take_next(organization_id=organization_id, worker="w") for _ in range(AT_ONCE)]
    lost = {lease.source_id for lease in begun if lease}
    assert len(lost) == AT_ONCE
    with within(cast.acme):
        rows = ExternalSource.objects.for_organization(cast.acme)
        rows.filter(pk__in=lost).update(leased_until=Now() - timedelta(seconds=1), asked_at=Now())
    again = take_next(organization_id=organization_id, worker="w")
    assert again is not None
    assert again.source_id in lost


def test_a_job_that_nobody_needs_any_more_gives_its_slot_back(
    cast: Cast, listed: Listed, elsewhere: Elsewhere
) -> None:
    there = elsewhere.public(FAR)
    listed(far(there, "far", ref="r"))
    lease = take_next(organization_id=cast.alice.organization_id, worker="w")
    assert lease is not None
    with within(cast.acme):
        ExternalUse.objects.for_organization(cast.acme).delete()
        rows = ExternalSource.objects.for_organization(cast.acme)
        rows.update(leased_until=Now() - timedelta(seconds=1))
    sweep_mirrors()
    with within(cast.acme):
        left = ExternalSource.objects.for_organization(cast.acme).get(pk=lease.source_id)
    assert (left.state, left.slot) == ("waiting", None)


def test_a_refused_credential_is_shown_to_the_host_once(
    cast: Cast, listed: Listed, elsewhere: Elsewhere, worker: Worker
) -> None:
    with FakeHost(always(401)) as host:
        name = host.url.removeprefix("http://")
        here = make_worker(
            name="refused", folder=worker.folder, outbound=Outbound(frozenset({Origin.parse(host.url)}))
        )
        there = {"source": "url", "url": f"{host.url}/a/b.git"}
        plugins = [{"name": f"far-{number}", "source": {**there, "ref": f"r{number}"}} for number in range(4)]
        marketplace_id = listed(*plugins, allowed=name)
        hosts.bind_credential(
            principal=cast.alice,
            marketplace_id=marketplace_id,
            host=name,
            credential_secret="revoked-0123456789",
        )
        sync_now(cast.alice, marketplace_id, worker)
        while mirroring.run_next(organization_id=cast.alice.organization_id, worker=here):
            pass
        told = [request for request in host.requests if "authorization" in request.headers]
        assert len(told) == 1
