"""Steps that many tests share: bind a repository, sync it, hide a skill."""

from typing import Any
from uuid import UUID

from marketplaces.models import Effect, Marketplace, Skill, SyncFinding, SyncRun, Trigger
from marketplaces.services import access, queue, sync
from marketplaces.services.access import What, Who
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from marketplaces.services.worker import Worker
from skillport.principal import Principal
from skillport.scoping import within
from tests.repositories import Repository
from tests.waiting import until


def bind(owner: Principal, repository: Repository, slug: str = "skills", **more: Any) -> UUID:
    """Bind the repository, with its token unless another credential is given; nothing is synced yet."""
    given = {"credential": Credential(repository.token), **more}
    return bind_marketplace(principal=owner, slug=slug, url=repository.url, **given).marketplace_id


def sync_now(owner: Principal, marketplace_id: UUID, worker: Worker) -> SyncRun:
    """Run a sync in this thread, unless a running worker was quicker, and give the run as it ended."""
    run_id = queue.request_sync(
        organization=owner.organization, marketplace_id=marketplace_id, trigger=Trigger.MANUAL, actor=owner
    )
    sync.run(organization_id=owner.organization_id, sync_run_id=run_id, worker=worker)
    ended = until(lambda: _ended(owner, run_id))
    assert ended is not None
    return ended


def _ended(owner: Principal, run_id: int) -> SyncRun | None:
    with within(owner.organization):
        run = SyncRun.objects.for_organization(owner.organization).get(pk=run_id)
        return run if run.ended_at else None


def publish(owner: Principal, repository: Repository, worker: Worker, slug: str = "skills") -> UUID:
    """Bind and sync; the sync must succeed, or find that a running worker has already done it."""
    marketplace_id = bind(owner, repository, slug)
    run = sync_now(owner, marketplace_id, worker)
    assert run.state in {"succeeded", "unchanged"}, run.error_message
    return marketplace_id


def hide(owner: Principal, skill_name: str, member: Principal) -> int:
    """Hide a skill from one member by a rule, and give the rule's id."""
    with within(owner.organization):
        skill = Skill.objects.for_organization(owner.organization).get(name=skill_name)
    return access.create_rule(
        principal=owner,
        who=Who(membership_id=member.membership_id),
        what=What(skill_id=skill.pk),
        effect=Effect.DENY,
    )


def findings_of(owner: Principal, run: SyncRun) -> dict[str, str]:
    """Give what a run found: path by code."""
    with within(owner.organization):
        found = SyncFinding.objects.for_organization(owner.organization).filter(sync_run=run)
        return {finding.code: finding.path for finding in found}


def current_commit(owner: Principal, marketplace_id: UUID) -> str | None:
    """Give the commit that is served."""
    with within(owner.organization):
        own = Marketplace.objects.for_organization(owner.organization).select_related("current_snapshot")
        snapshot = own.get(pk=marketplace_id).current_snapshot
        return snapshot.commit if snapshot else None
