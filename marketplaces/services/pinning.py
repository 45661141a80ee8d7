"""Which commit is served: the branch's newest, or one that an administrator chose."""

import re
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from marketplaces.models import Marketplace, Snapshot
from marketplaces.services import access
from marketplaces.services.external.known import CHOSEN
from marketplaces.services.queue import cancel_syncs, request_sync_unless_stopped
from marketplaces.services.serving import serve
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal
from skillport.scoping import within


class NotACommit(SkillportError):
    code = "not_a_commit"
    status = 422
    message = "Give the whole id of the commit: 40 hexadecimal digits. `git rev-parse HEAD` prints it."


def serve_snapshot(*, principal: Principal, marketplace_id: UUID, number: int) -> None:
    """Serve a snapshot that is kept, at once, and stay with its commit until `follow_branch` or another choice.

    What was chosen is one flip for every reader, backwards as forwards; the git host is not asked. Raises `NotAllowed`,
    `StepUpRequired` or `NotFound`, also for a snapshot that is kept no longer.
    """
    _require(principal)
    with within(principal.organization):
        access.lock_policy(principal.organization_id)
        kept = Snapshot.objects.for_organization(principal.organization).filter(marketplace_id=marketplace_id)
        snapshot = kept.filter(number=number).first()
        if snapshot is None:
            raise NotFound
        _serve(
            principal, snapshot, external_outcome=CHOSEN
        )  # with what it has of other repositories, and no more


def pin_commit(*, principal: Principal, marketplace_id: UUID, commit: str) -> int | None:
    """Stay with one commit, at once where it is kept. Else gives the id of the sync that brings it.

    Until that sync has ended, what was served before is served. Raises `NotAllowed`, `StepUpRequired`, `NotFound`,
    or `NotACommit`.
    """
    _require(principal)
    commit = commit.strip().lower()
    if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit, re.ASCII) is None:
        raise NotACommit
    with within(principal.organization):
        access.lock_policy(principal.organization_id)
        marketplace = _own(principal, marketplace_id)
        kept = Snapshot.objects.for_organization(principal.organization).filter(marketplace_id=marketplace_id)
        snapshot = kept.filter(commit=commit, folder=marketplace.folder).order_by("-number").first()
        if snapshot is not None:
            _serve(principal, snapshot)
            return None
        _note(principal, marketplace, commit)
        cancel_syncs(
            principal.organization_id, marketplace_id
        )  # they would publish the branch's newest commit
        return _sync(principal, marketplace_id)


def unpin(*, principal: Principal, marketplace_id: UUID) -> int | None:
    """Follow the branch again. Gives the id of the sync that catches up, None while none may begin.

    Raises `NotAllowed`, `StepUpRequired` or `NotFound`.
    """
    _require(principal)
    with within(principal.organization):
        access.lock_policy(principal.organization_id)
        _note(principal, _own(principal, marketplace_id), "")
        return _sync(principal, marketplace_id)


def _require(principal: Principal) -> None:
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())


def _own(principal: Principal, marketplace_id: UUID) -> Marketplace:
    own = Marketplace.objects.for_organization(principal.organization)
    marketplace = own.select_for_update().filter(pk=marketplace_id).first()
    if marketplace is None:
        raise NotFound
    return marketplace


def _serve(principal: Principal, snapshot: Snapshot, **more: object) -> None:
    """Flip to the snapshot. Syncs that are under way are called off: they would publish what is not wanted now."""
    marketplace = _own(principal, snapshot.marketplace_id)
    cancel_syncs(principal.organization_id, snapshot.marketplace_id)
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=snapshot.marketplace_id)
    own.update(folder=snapshot.folder, **more)
    serve(marketplace, snapshot)
    _note(principal, marketplace, snapshot.commit, number=snapshot.number)


def _note(principal: Principal, marketplace: Marketplace, commit: str, **details: object) -> None:
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace.pk)
    next_poll = {} if commit or not marketplace.poll_seconds else {"next_poll_at": Now()}
    own.update(pinned_commit=commit, **next_poll)
    audit.record(Action.MARKETPLACE_PINNED, actor=principal, target=marketplace, commit=commit, **details)


def _sync(principal: Principal, marketplace_id: UUID) -> int | None:
    return request_sync_unless_stopped(
        organization=principal.organization, marketplace_id=marketplace_id, actor=principal
    )
