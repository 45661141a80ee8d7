"""Collection: what nothing reaches goes, and everything else stays readable to the last byte."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from connector.install import fetching
from connector.install.collecting import collect
from connector.install.install_tokens import issue_install_token, redeem_install_token
from connector.models import Bundle, InstallToken
from marketplaces.models import (
    Blob,
    Release,
    SkillListing,
    Snapshot,
    SyncRun,
    VersionEntry,
)
from marketplaces.services import catalog
from marketplaces.services.changing import change_settings, delete_closed_marketplaces, delete_marketplace
from marketplaces.services.pinning import serve_snapshot, unpin
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast
from tests.collecting import collect_all, damage, let_time_pass, numbers
from tests.publishing import publish, sync_now
from tests.repositories import SMALL, Files, NewRepository, Repository, marketplace, skill

HELLO = "plugins/tools/skills/hello/SKILL.md"
OTHER: Files = {**SMALL, HELLO: skill("hello", "Greets people otherwise.")}


@pytest.fixture
def repository(new_repository: NewRepository) -> Repository:
    return new_repository(SMALL)


@pytest.fixture
def marketplace_id(cast: Cast, repository: Repository, worker: Worker) -> UUID:
    """A marketplace whose second snapshot, with another greeting, is served."""
    made = publish(cast.alice, repository, worker)
    repository.commit(OTHER)
    sync_now(cast.alice, made, worker)
    return made


def text_of(cast: Cast, name: str = "hello") -> str | None:
    return fetching.fetch_skill(principal=cast.bob, name=name).text


def contents(cast: Cast) -> set[bytes]:
    with within(cast.acme):
        return {
            bytes(one) for one in Blob.objects.for_organization(cast.acme).values_list("content", flat=True)
        }


def test_what_is_served_and_what_was_lately_stays(cast: Cast, marketplace_id: UUID) -> None:
    let_time_pass(cast.acme, timedelta(days=29))
    assert collect(cast.acme.pk).is_nothing
    assert numbers(cast.acme) == [1, 2]


def test_an_old_snapshot_goes_with_all_that_only_it_held(cast: Cast, marketplace_id: UUID) -> None:
    let_time_pass(cast.acme)
    gone = collect(cast.acme.pk)
    assert (gone.snapshots, gone.listings, gone.releases, gone.blobs) == (1, 2, 2, 0), (
        "the plugin and one skill of it"
    )
    assert numbers(cast.acme) == [2]
    assert collect(cast.acme.pk).is_nothing, "blobs have their time from when the last file named them"
    let_time_pass(cast.acme, timedelta(hours=1))
    last = collect(cast.acme.pk)
    assert (last.blobs, last.blob_bytes) == (1, len(str(SMALL[HELLO])))
    assert str(SMALL[HELLO]).encode() not in contents(cast)
    assert damage(cast.acme) == []
    assert text_of(cast) == OTHER[HELLO]
    assert text_of(cast, "secret") == SMALL["plugins/tools/skills/secret/SKILL.md"]


def test_days_count_from_when_a_snapshot_was_served_last(
    cast: Cast, repository: Repository, worker: Worker, marketplace_id: UUID
) -> None:
    """The snapshot that was served for a month stays when a newer one has just come: readers may be at it, and it may be wanted back."""
    let_time_pass(cast.acme)
    repository.commit(SMALL)
    sync_now(cast.alice, marketplace_id, worker)
    collect_all(cast.acme)
    assert numbers(cast.acme) == [2, 3]


def test_each_marketplace_keeps_its_snapshots_as_long_as_it_is_told_to(
    cast: Cast, new_repository: NewRepository, worker: Worker, marketplace_id: UUID
) -> None:
    other = new_repository(SMALL)
    shorter = publish(cast.alice, other, worker, "shorter")
    other.commit(OTHER)
    sync_now(cast.alice, shorter, worker)
    change_settings(principal=cast.alice, marketplace_id=shorter, keep_days=0)
    let_time_pass(cast.acme, timedelta(minutes=59))
    assert collect(cast.acme.pk).is_nothing, "whoever has begun to read it may end"
    let_time_pass(cast.acme, timedelta(minutes=2))
    assert collect(cast.acme.pk).snapshots == 1
    with within(cast.acme):
        kept = Snapshot.objects.for_organization(cast.acme).filter(marketplace=marketplace_id)
        assert kept.count() == 2


def test_an_older_snapshot_that_is_served_again_stays_and_the_one_it_replaced_has_its_days(
    cast: Cast, worker: Worker, marketplace_id: UUID
) -> None:
    serve_snapshot(principal=cast.alice, marketplace_id=marketplace_id, number=1)
    let_time_pass(cast.acme, timedelta(days=29))
    assert collect_all(cast.acme).is_nothing
    serve_snapshot(principal=cast.alice, marketplace_id=marketplace_id, number=2)
    serve_snapshot(principal=cast.alice, marketplace_id=marketplace_id, number=1)
    let_time_pass(cast.acme, timedelta(days=29))
    assert collect_all(cast.acme).is_nothing, "it was served until 29 days ago"
    let_time_pass(cast.acme, timedelta(days=2))
    assert collect_all(cast.acme).snapshots == 1
    assert numbers(cast.acme) == [1]
    assert text_of(cast) == SMALL[HELLO]
    assert damage(cast.acme) == []
    unpin(principal=cast.alice, marketplace_id=marketplace_id)
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    assert text_of(cast) == OTHER[HELLO]
    assert damage(cast.acme) == []


def test_headers_and_the_ledger_outlive_the_bytes(cast: Cast, marketplace_id: UUID) -> None:
    with within(cast.acme):
        before = Release.objects.for_organization(cast.acme).count()
        ledger = VersionEntry.objects.for_organization(cast.acme).count()
    let_time_pass(cast.acme)
    assert collect_all(cast.acme).releases == 2
    with within(cast.acme):
        assert Release.objects.for_organization(cast.acme).count() == before
        assert Release.objects.for_organization(cast.acme).exclude(collected_at=None).count() == 2
        assert VersionEntry.objects.for_organization(cast.acme).count() == ledger


def test_content_that_comes_back_gets_its_files_and_its_version_again(
    cast: Cast, repository: Repository, worker: Worker, marketplace_id: UUID
) -> None:
    let_time_pass(cast.acme)
    collect_all(cast.acme)
    changed = catalog.find_skill(principal=cast.bob, name="hello").version
    repository.commit(SMALL, "Take it back")
    run = sync_now(cast.alice, marketplace_id, worker)
    assert run.state == "succeeded", run.error_message
    assert damage(cast.acme) == []
    assert text_of(cast) == SMALL[HELLO]
    version = catalog.find_skill(principal=cast.bob, name="hello").version
    assert version == "1.2.0"
    assert changed.startswith("1.2.0+")
    secret = issue_install_token(principal=cast.bob, name="hello").plain_secret
    assert redeem_install_token(secret=secret).archive


def test_a_run_keeps_its_history_without_its_snapshot(cast: Cast, marketplace_id: UUID) -> None:
    let_time_pass(cast.acme)
    collect(cast.acme.pk)
    with within(cast.acme):
        runs = list(SyncRun.objects.for_organization(cast.acme).order_by("id"))
    assert [bool(run.snapshot_id) for run in runs] == [False, True]
    assert all(run.commit for run in runs)


# --- install tokens -------------------------------------------------------------------------------------------------------


def held(cast: Cast, repository: Repository, worker: Worker) -> str:
    """Issue a token for what a newer snapshot then replaces, and let a month pass for everything but the token."""
    made = publish(cast.alice, repository, worker)
    secret = issue_install_token(principal=cast.bob, name="hello").plain_secret
    repository.commit(OTHER)
    sync_now(cast.alice, made, worker)
    let_time_pass(cast.acme)
    return secret


def test_a_live_token_holds_its_release(cast: Cast, repository: Repository, worker: Worker) -> None:
    secret = held(cast, repository, worker)
    assert collect_all(cast.acme).releases == 1, "only the plugin's, which no token is for"
    first = redeem_install_token(secret=secret, redemption_key="client")
    assert collect_all(cast.acme).releases == 0, "its client may ask once more"
    assert redeem_install_token(secret=secret, redemption_key="client").archive == first.archive


def test_a_token_that_is_over_holds_nothing_but_the_header(
    cast: Cast, repository: Repository, worker: Worker
) -> None:
    held(cast, repository, worker)
    with within(cast.acme):
        InstallToken.objects.for_organization(cast.acme).update(expires_at=Now() - timedelta(seconds=1))
    assert collect_all(cast.acme).releases == 2
    with within(cast.acme):
        assert not Bundle.objects.for_organization(cast.acme).exists(), (
            "a bundle goes with what it was made of"
        )
        assert InstallToken.objects.for_organization(cast.acme).get().release.collected_at is not None


def test_a_header_that_nothing_names_goes_too(
    cast: Cast, repository: Repository, worker: Worker, marketplace_id: UUID
) -> None:
    """What was served under `1.2.0+<hash>` is not in the ledger; a token that was redeemed long ago still names it."""
    issue_install_token(principal=cast.bob, name="hello")
    for files in (SMALL, {**SMALL, "README.md": "Nothing new to serve.\n"}):
        repository.commit(files)
        sync_now(cast.alice, marketplace_id, worker)
    let_time_pass(cast.acme)
    with within(cast.acme):
        InstallToken.objects.for_organization(cast.acme).update(expires_at=Now() - timedelta(seconds=1))
    gone = collect_all(cast.acme)
    assert (gone.releases, gone.headers) == (2, 1), "the plugin's; the skill's is the token's"
    with within(cast.acme):
        InstallToken.objects.for_organization(cast.acme).delete()
    assert collect_all(cast.acme).headers == 1


# --- marketplaces that are gone -------------------------------------------------------------------------------------------


def test_of_a_deleted_marketplace_nothing_stays(
    cast: Cast, new_repository: NewRepository, worker: Worker, marketplace_id: UUID
) -> None:
    kept = new_repository(
        {
            ".claude-plugin/marketplace.json": marketplace("own"),
            "plugins/own/skills/kept/SKILL.md": skill("kept"),
            "plugins/own/skills/kept/dot.png": SMALL["plugins/tools/skills/hello/assets/dot.png"],
        }
    )
    publish(cast.alice, kept, worker, "kept")
    delete_marketplace(principal=cast.alice, marketplace_id=marketplace_id, confirmation="skills")
    assert collect_all(cast.acme).is_nothing, "it may be kept after all"
    assert delete_closed_marketplaces(now=timezone.now() + timedelta(days=8)) == [marketplace_id]
    collect_all(cast.acme)
    assert damage(cast.acme) == []
    assert contents(cast) == {skill("kept").encode(), b"\x89PNG\r\n\x1a\n\x00\x00binary"}
    with within(cast.acme):
        listed = SkillListing.objects.for_organization(cast.acme).count()
        headers = Release.objects.for_organization(cast.acme)
        assert (listed, headers.exclude(collected_at=None).count()) == (1, 0)
        assert Snapshot.objects.for_organization(cast.acme).count() == 1
    assert text_of(cast, "kept") == skill("kept")


def test_another_organization_loses_nothing(
    cast: Cast, new_repository: NewRepository, worker: Worker, marketplace_id: UUID
) -> None:
    theirs = new_repository(SMALL)
    made = publish(cast.charlie, theirs, worker)
    theirs.commit(OTHER)
    sync_now(cast.charlie, made, worker)
    for organization in (cast.acme, cast.globex):
        let_time_pass(organization)
    assert not collect_all(cast.acme).is_nothing
    assert numbers(cast.globex) == [1, 2]
    assert collect_all(cast.globex).snapshots == 1
