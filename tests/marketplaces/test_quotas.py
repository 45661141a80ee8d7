"""What an organization may store and bind: a clear refusal, before anything is stored, and the old snapshot stays."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from marketplaces.models import Blob, Marketplace
from marketplaces.services import binding, catalog, quotas, storing
from marketplaces.services.credentials import Credential
from marketplaces.services.quotas import StorageFull, TooManyMarketplaces
from marketplaces.services.storage import get_storage
from marketplaces.services.worker import Worker
from skillport.audit.models import AuditEvent
from skillport.principal import SystemActor
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.publishing import bind, publish, sync_now
from tests.repositories import SMALL, Executable, NewRepository

DOT = b"\x89PNG\r\n\x1a\n\x00\x00binary"
LARGE = "plugins/tools/skills/hello/assets/large.bin"


def limit(cast: Cast, *, stored_bytes: int | None = None, marketplaces: int | None = None) -> None:
    actor = SystemActor(organization_id=cast.acme.pk, what="operator")
    quotas.set_quota(
        organization=cast.acme, stored_bytes=stored_bytes, marketplaces=marketplaces, actor=actor
    )


def stored(cast: Cast) -> int:
    with within(cast.acme):
        return quotas.stored_bytes_of(cast.acme.pk)


def test_storage_says_what_there_is_and_what_there_may_be(
    cast: Cast, new_repository: NewRepository, worker: Worker, settings: Any
) -> None:
    settings.MOST_STORED_BYTES, settings.MOST_MARKETPLACES = 5 * 2**20, 7
    publish(cast.alice, new_repository(SMALL), worker)
    limit(cast, marketplaces=9)
    told = get_storage(principal=cast.alice)
    served = [content for path, content in SMALL.items() if path.startswith("plugins/")]
    sizes = [
        len(one.content) if isinstance(one, Executable) else len(str(one)) for one in served if one != DOT
    ]
    assert told.stored_bytes == sum(sizes) + len(DOT)
    assert told.most_stored_bytes == 5 * 2**20
    assert (told.marketplaces, told.most_marketplaces) == (1, 9)
    assert (told.snapshots, told.skills) == (1, 2)


def test_an_import_that_is_too_large_stores_nothing_and_says_what_to_do(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    before = stored(cast)
    limit(cast, stored_bytes=before + 9 * 2**19)
    # More than one batch: the first would fit, and must not be stored all the same.
    repository.commit({**SMALL, **{f"{LARGE}{n}": bytes([n]) * 2**19 for n in range(10)}})
    run = sync_now(cast.alice, marketplace_id, worker)
    assert (run.state, run.error_code) == ("failed", "storage_full")
    assert run.error_message.startswith(
        "The new files of this commit take 5.0 MB, and of the 4.5 MB that this organization may store 4.5 MB are left. "
        "Take large files out of the repository"
    )
    assert stored(cast) == before
    assert [one.name for one in catalog.list_skills(principal=cast.bob).skills] == ["hello", "secret"]
    limit(cast)
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"


def test_what_is_stored_already_needs_no_room(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository(SMALL)
    marketplace_id = publish(cast.alice, repository, worker)
    limit(cast, stored_bytes=1)
    repository.commit({path: content for path, content in SMALL.items() if "/secret/" not in path})
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded", "less may always be published"


def test_another_organizations_bytes_do_not_count(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    publish(cast.charlie, new_repository({**SMALL, LARGE: b"x" * 2**20}), worker)
    limit(cast, stored_bytes=2**20)
    publish(cast.alice, new_repository(SMALL), worker)


def test_of_imports_at_once_only_those_that_fit_store_anything(
    transactional_db: None, no_other_worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them has asked for room and was told that there is some, before any of them began to store."""
    cast, imports = make_cast(), 4
    limit(cast, stored_bytes=2 * 2**20 + 10)
    all_have_asked = threading.Barrier(imports, timeout=60)

    def store(number: int) -> str:
        content = bytes([number]) * 2**20
        try:
            storing.store_blobs(
                cast.acme.pk, {f"{number:040}": 2**20}, lambda ids: [content for _ in ids],
                lambda done, _: None if done else (all_have_asked.wait(), None)[1],
            )  # fmt: skip
        except StorageFull as refusal:
            return refusal.code
        finally:
            connection.close()
        return "stored"

    with ThreadPoolExecutor(imports) as pool:
        outcomes = sorted(pool.map(store, range(imports)))
    assert outcomes == ["storage_full", "storage_full", "stored", "stored"]
    assert stored(cast) == 2 * 2**20


def test_no_more_repositories_are_bound_than_may_be(cast: Cast, new_repository: NewRepository) -> None:
    repository = new_repository(SMALL)
    bind(cast.alice, repository, "one")
    limit(cast, marketplaces=1)
    asked = len(repository.host.exchanges)
    given: Any = {"url": repository.url, "credential": Credential(repository.token)}
    with pytest.raises(TooManyMarketplaces, match="may bind 1 repositories"):
        binding.bind_checked_marketplace(principal=cast.alice, slug="two", **given)
    assert len(repository.host.exchanges) == asked, "its host was not asked in vain"
    with pytest.raises(TooManyMarketplaces):
        bind(cast.alice, repository, "two")
    with within(cast.acme):
        assert Marketplace.objects.for_organization(cast.acme).count() == 1
    limit(cast)
    bind(cast.alice, repository, "two")


def test_of_bindings_at_once_only_those_that_fit_succeed(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository
) -> None:
    cast, repository = make_cast(), new_repository(SMALL)
    limit(cast, marketplaces=2)
    begin = threading.Barrier(6, timeout=60)

    def try_to_bind(number: int) -> str:
        begin.wait()
        try:
            bind(cast.alice, repository, f"number-{number}")
        except TooManyMarketplaces as refusal:
            return refusal.code
        finally:
            connection.close()
        return "bound"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(try_to_bind, range(6)))
    assert outcomes == ["bound"] * 2 + ["too_many_marketplaces"] * 4


def test_the_operator_gives_one_organization_other_limits(cast: Cast, settings: Any) -> None:
    call_command("set_quota", "acme", "--stored-megabytes", "3", "--marketplaces", "default", verbosity=0)
    told = get_storage(principal=cast.alice)
    assert (told.most_stored_bytes, told.most_marketplaces) == (3 * 2**20, settings.MOST_MARKETPLACES)
    assert get_storage(principal=cast.charlie).most_stored_bytes == settings.MOST_STORED_BYTES
    call_command("set_quota", "acme", "--stored-megabytes", "default", "--marketplaces", "0", verbosity=0)
    told = get_storage(principal=cast.alice)
    assert (told.most_stored_bytes, told.most_marketplaces) == (settings.MOST_STORED_BYTES, 0)
    with within(cast.acme):
        events = AuditEvent.objects.for_organization(cast.acme).filter(action="quota:changed").order_by("id")
        assert [(one.actor, one.door, one.details) for one in events] == [
            ("system:operator", "command-line", {"stored_bytes": 3 * 2**20, "marketplaces": None}),
            ("system:operator", "command-line", {"stored_bytes": None, "marketplaces": 0}),
        ]
        assert not Blob.objects.for_organization(cast.acme).exists()


@pytest.mark.parametrize("wrong", [["nobody", "1", "1"], ["acme", "-1", "1"], ["acme", "1", "many"]])
def test_the_operator_is_told_what_cannot_be(cast: Cast, wrong: list[str]) -> None:
    slug, stored_megabytes, marketplaces = wrong
    with pytest.raises(CommandError):
        call_command(
            "set_quota", slug, f"--stored-megabytes={stored_megabytes}", f"--marketplaces={marketplaces}"
        )
