"""What administrators choose about a bound repository: folder, branch, commit, pause, deletion."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from connector.install.install_tokens import InstallTokenUnknown, issue_install_token, redeem_install_token
from marketplaces.models import AccessRule, Marketplace, Skill, SkillListing, Snapshot, SyncRun, Trigger
from marketplaces.services import bound, catalog, changing, leases, pinning, queue, snapshots
from marketplaces.services.changing import SettingRefused
from marketplaces.services.folders import FolderRefused
from marketplaces.services.queue import SyncsStopped
from marketplaces.services.worker import Worker
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import bind, current_commit, hide, publish, sync_now
from tests.repositories import SMALL, NewRepository, Repository, skill

MORE = {**SMALL, "plugins/tools/skills/third/SKILL.md": skill("third")}


@pytest.fixture
def repository(new_repository: NewRepository) -> Repository:
    return new_repository(SMALL)


@pytest.fixture
def served(cast: Cast, repository: Repository, worker: Worker) -> UUID:
    return publish(cast.alice, repository, worker)


def names(who: Principal) -> list[str]:
    return [one.name for one in catalog.list_skills(principal=who).skills]


def state(cast: Cast, marketplace_id: UUID) -> bound.Bound:
    return bound.get_marketplace(principal=cast.alice, marketplace_id=marketplace_id)


def last_action(cast: Cast) -> str:
    with within(cast.acme):
        return str(AuditEvent.objects.for_organization(cast.acme).latest("id").action)


# --- settings


def test_a_folder_of_the_repository_is_a_marketplace_of_its_own(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    inside = {f"tools/claude/{path}": content for path, content in SMALL.items()}
    repository = new_repository({**inside, "README.md": "Much else.\n"})
    marketplace_id = bind(cast.alice, repository)
    assert sync_now(cast.alice, marketplace_id, worker).state == "failed"
    begun = changing.change_settings(
        principal=cast.alice, marketplace_id=marketplace_id, folder="/tools/claude/"
    )
    assert begun is not None
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    assert names(cast.bob) == ["hello", "secret"]
    assert state(cast, marketplace_id).folder == "tools/claude"
    changing.change_settings(principal=cast.alice, marketplace_id=marketplace_id, folder="tools/other")
    assert sync_now(cast.alice, marketplace_id, worker).error_code == "folder_not_found"
    assert names(cast.bob) == ["hello", "secret"], "what was served stays"


def test_another_folder_of_the_same_commit_is_imported(
    cast: Cast, new_repository: NewRepository, worker: Worker
) -> None:
    repository = new_repository({**SMALL, **{f"more/{path}": content for path, content in MORE.items()}})
    marketplace_id = publish(cast.alice, repository, worker)
    changing.change_settings(principal=cast.alice, marketplace_id=marketplace_id, folder="more")
    assert sync_now(cast.alice, marketplace_id, worker).state == "succeeded"
    assert names(cast.bob) == ["hello", "secret", "third"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"folder": ".."}, {"folder": "a/../b"}, {"folder": "a//b"}, {"folder": "a\nb"}, {"folder": "a\\b"},
        {"folder": "x" * 101}, {"poll_seconds": 59}, {"poll_seconds": 604_801}, {"keep_days": 3651}, {"keep_days": -1},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_and_nothing_is_changed(
    cast: Cast, served: UUID, wrong: dict[str, object]
) -> None:
    before = state(cast, served)
    with pytest.raises((SettingRefused, FolderRefused)):
        changing.change_settings(principal=cast.alice, marketplace_id=served, branch="next", **wrong)  # type: ignore[arg-type]
    assert state(cast, served) == before


def test_how_often_to_look_and_how_long_to_keep_begin_no_sync(cast: Cast, served: UUID) -> None:
    begun = changing.change_settings(
        principal=cast.alice, marketplace_id=served, poll_seconds=0, keep_days=7, branch="", folder=""
    )
    assert begun is None
    now = state(cast, served)
    assert (now.poll_seconds, now.keep_days, now.next_poll_at) == (0, 7, None)
    assert last_action(cast) == "marketplace:changed"
    changing.change_settings(principal=cast.alice, marketplace_id=served, poll_seconds=3600)
    assert queue.poll_due() == [(cast.acme.pk, served)], "it is looked at, and then every hour"


def test_who_never_looks_is_not_polled_after_a_sync_either(cast: Cast, served: UUID, worker: Worker) -> None:
    changing.change_settings(principal=cast.alice, marketplace_id=served, poll_seconds=0)
    sync_now(cast.alice, served, worker)
    assert state(cast, served).next_poll_at is None


# --- which commit


def test_going_back_is_at_once_stays_and_ends_by_following_the_branch(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    first, second = current_commit(cast.alice, served), repository.commit(MORE)
    sync_now(cast.alice, served, worker)
    assert names(cast.bob) == ["hello", "secret", "third"]
    asked = len(repository.host.exchanges)
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=1)
    assert (names(cast.bob), current_commit(cast.alice, served)) == (["hello", "secret"], first)
    assert sync_now(cast.alice, served, worker).state == "unchanged", "the branch is not followed"
    assert len(repository.host.exchanges) == asked, "and its host is not asked"
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=2)
    assert (names(cast.bob), current_commit(cast.alice, served)) == (["hello", "secret", "third"], second)
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=1)
    repository.commit({**MORE, "plugins/tools/skills/fourth/SKILL.md": skill("fourth")})
    assert pinning.unpin(principal=cast.alice, marketplace_id=served)
    assert sync_now(cast.alice, served, worker).state == "succeeded"
    assert names(cast.bob) == ["fourth", "hello", "secret", "third"]
    shown = snapshots.list_snapshots(principal=cast.alice, marketplace_id=served)
    assert [(one.number, one.skills, one.is_served) for one in shown] == [
        (3, 4, True), (2, 3, False), (1, 2, False)
    ]  # fmt: skip


def test_a_token_for_what_is_no_longer_served_installs_nothing(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    repository.commit(MORE)
    sync_now(cast.alice, served, worker)
    token = issue_install_token(principal=cast.bob, name="third").plain_secret
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=1)
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=token)


def test_a_rule_holds_whichever_snapshot_is_served(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    repository.commit(MORE)
    sync_now(cast.alice, served, worker)
    hide(cast.alice, "secret", cast.bob)
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=1)
    assert names(cast.bob) == ["hello"]


def test_a_commit_that_is_kept_is_served_at_once_and_another_is_fetched(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    first, second = current_commit(cast.alice, served), repository.commit(MORE)
    repository.commit({**MORE, "NEWS.md": "x"})
    sync_now(cast.alice, served, worker)
    assert first is not None
    assert pinning.pin_commit(principal=cast.alice, marketplace_id=served, commit=first.upper()) is None
    assert current_commit(cast.alice, served) == first
    assert pinning.pin_commit(principal=cast.alice, marketplace_id=served, commit=second)
    assert sync_now(cast.alice, served, worker).state == "succeeded"
    assert current_commit(cast.alice, served) == second
    assert state(cast, served).pinned_commit == second


def test_a_commit_that_the_host_does_not_have_leaves_what_is_served(
    cast: Cast, served: UUID, worker: Worker
) -> None:
    before = current_commit(cast.alice, served)
    pinning.pin_commit(principal=cast.alice, marketplace_id=served, commit="1" * 40)
    assert sync_now(cast.alice, served, worker).error_code == "pinned_commit_missing"
    assert current_commit(cast.alice, served) == before
    with pytest.raises(pinning.NotACommit):
        pinning.pin_commit(principal=cast.alice, marketplace_id=served, commit="main")
    with pytest.raises(NotFound):
        pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=7)


def test_a_sync_under_way_cannot_publish_over_what_was_chosen(
    cast: Cast, repository: Repository, served: UUID
) -> None:
    repository.commit(MORE)
    run = queue.request_sync(
        organization=cast.acme, marketplace_id=served, trigger=Trigger.WEBHOOK, actor=cast.alice
    )
    lease = leases.take(organization_id=cast.acme.pk, sync_run_id=run, worker="test")
    assert lease is not None
    pinning.serve_snapshot(principal=cast.alice, marketplace_id=served, number=1)
    with pytest.raises(leases.LeaseLost):
        leases.note_commit(lease, "1" * 40)
    with within(cast.acme):
        assert SyncRun.objects.for_organization(cast.acme).get(pk=run).state == "cancelled"


# --- pause


def test_while_syncs_are_paused_none_begins_and_members_keep_what_they_have(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    repository.commit(MORE)
    waiting = queue.request_sync(
        organization=cast.acme, marketplace_id=served, trigger=Trigger.WEBHOOK, actor=cast.alice
    )
    changing.pause_syncs(principal=cast.alice, marketplace_id=served)
    assert leases.take(organization_id=cast.acme.pk, sync_run_id=waiting, worker="test") is None
    with pytest.raises(SyncsStopped, match="Resume"):
        sync_now(cast.alice, served, worker)
    assert queue.poll_due() == []
    assert names(cast.bob) == ["hello", "secret"]
    assert changing.resume_syncs(principal=cast.alice, marketplace_id=served)
    assert sync_now(cast.alice, served, worker).state == "succeeded"
    assert names(cast.bob) == ["hello", "secret", "third"]


# --- deletion


def test_what_is_deleted_is_served_to_nobody_at_once_and_can_be_kept(cast: Cast, served: UUID) -> None:
    token = issue_install_token(principal=cast.bob, name="hello").plain_secret
    with pytest.raises(changing.NotConfirmed):
        changing.delete_marketplace(principal=cast.alice, marketplace_id=served, confirmation="skill")
    at = changing.delete_marketplace(principal=cast.alice, marketplace_id=served, confirmation="skills")
    assert timedelta(days=6, hours=23) < at - timezone.now() <= timedelta(days=7)
    assert names(cast.bob) == []
    with pytest.raises(InstallTokenUnknown):
        redeem_install_token(secret=token)
    with pytest.raises(SyncsStopped, match="Keep it"):
        changing.resume_syncs(principal=cast.alice, marketplace_id=served)
    assert changing.delete_closed_marketplaces(now=timezone.now() + timedelta(days=6)) == []
    changing.keep_marketplace(principal=cast.alice, marketplace_id=served)
    assert names(cast.bob) == ["hello", "secret"]
    assert changing.delete_closed_marketplaces(now=timezone.now() + timedelta(days=8)) == []


def test_after_seven_days_it_is_gone_with_all_that_hung_on_it_and_nothing_else(
    cast: Cast, repository: Repository, served: UUID, worker: Worker
) -> None:
    publish(cast.alice, repository, worker, slug="other")
    theirs = publish(cast.charlie, repository, worker)
    with within(cast.acme):
        listed = Skill.objects.for_organization(cast.acme).get(name="hello", marketplace=served)
    issue_install_token(principal=cast.bob, name="skills/tools/hello")
    hide_in = changing.delete_marketplace(principal=cast.alice, marketplace_id=served, confirmation="skills")
    assert hide_in
    done = changing.delete_closed_marketplaces(now=timezone.now() + timedelta(days=7, minutes=1))
    assert done == [served]
    assert last_action(cast) == "marketplace:deleted"
    with within(cast.acme):
        for model in (Skill, SkillListing, Snapshot, SyncRun):
            assert not model.objects.for_organization(cast.acme).filter(marketplace=served).exists()
        assert not Skill.objects.for_organization(cast.acme).filter(pk=listed.pk).exists()
        assert AccessRule.objects.for_organization(cast.acme).count() == 1, "the rule about everything stays"
        assert Marketplace.objects.for_organization(cast.acme).get().slug == "other"
    assert names(cast.bob) == ["hello", "secret"]
    assert current_commit(cast.charlie, theirs)
    bind(cast.alice, repository)  # the name is free again


def test_these_need_a_recent_sign_in_and_the_right_role(cast: Cast, served: UUID) -> None:
    tired = replace(cast.alice, door=Door.PAGE, confirmed_at=timezone.now() - timedelta(hours=1))
    for act in (changing.pause_syncs, changing.resume_syncs, changing.keep_marketplace, pinning.unpin):
        with pytest.raises(StepUpRequired):
            act(principal=tired, marketplace_id=served)
        with pytest.raises(NotAllowed):
            act(principal=cast.bob, marketplace_id=served)
        with pytest.raises(NotFound):
            act(principal=cast.charlie, marketplace_id=served)
