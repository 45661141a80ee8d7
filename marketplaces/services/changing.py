"""What administrators choose about a bound repository: what of it is served, how often to look, pause, delete, keep."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from marketplaces.models import Marketplace, Trigger
from marketplaces.providers.api import Kind
from marketplaces.services.credentials import require_github
from marketplaces.services.folders import checked_folder
from marketplaces.services.queue import cancel_syncs, request_sync, request_sync_unless_stopped
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal, SystemActor
from skillport.scoping import across_organizations, within

GRACE: Final = timedelta(days=7)
SHORTEST_POLL_SECONDS: Final = 60
LONGEST_POLL_SECONDS: Final = 7 * 86_400
LONGEST_KEPT_DAYS: Final = 3650


class SettingRefused(SkillportError):
    code = "setting_refused"
    status = 422


class NotConfirmed(SkillportError):
    code = "not_confirmed"
    status = 422
    message = "Write the marketplace's name exactly as it is to delete it."


def change_settings(
    *,
    principal: Principal,
    marketplace_id: UUID,
    branch: str | None = None,
    folder: str | None = None,
    poll_seconds: int | None = None,
    keep_days: int | None = None,
    provider: Kind | None = None,
) -> int | None:
    """Change what is given. Gives the id of the sync that another branch or folder begins, None when none is needed.

    `branch`: '' follows the default branch; whether there is such a branch is for the sync to find out, and until then
    the old snapshot is served. `folder`: only what is below it is read. `poll_seconds`: 0 for never, or 60 to 604,800.
    `keep_days`: 0 to 3,650. `provider`: whose API the host has, NOT_ASKED to let Skillport find out. While syncs are paused
    none is begun. Raises `NotAllowed`, `StepUpRequired`, `NotFound`,
    `SettingRefused`, `FolderRefused` or `AppNeedsGitHub`.
    """
    given = {"branch": branch, "folder": folder, "poll_seconds": poll_seconds, "keep_days": keep_days}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "folder" in wanted:
        wanted["folder"] = checked_folder(wanted["folder"])
    _require_fitting(poll_seconds, keep_days)
    with within(principal.organization):
        marketplace = _locked(principal, marketplace_id)
        if provider is not None:
            wanted |= _provider(marketplace, provider)
        changed = {name: value for name, value in wanted.items() if getattr(marketplace, name) != value}
        if not changed:
            return None
        if "poll_seconds" in changed:
            changed["next_poll_at"] = Now() if changed["poll_seconds"] else None
        _update(principal, marketplace_id, **changed)
        said = {name: value for name, value in changed.items() if name in given or name == "provider"}
        audit.record(Action.MARKETPLACE_CHANGED, actor=principal, target=marketplace, **said)
        if not changed.keys() & {"branch", "folder"}:
            return None
        cancel_syncs(principal.organization_id, marketplace_id)  # they would still publish what was
        return request_sync_unless_stopped(
            organization=principal.organization, marketplace_id=marketplace_id, actor=principal
        )


def _provider(marketplace: Marketplace, wanted: Kind) -> dict[str, Any]:
    """Give what changes with whose API the host has: when the credential ends is to be asked there, and soon."""
    if wanted and marketplace.app_id:
        require_github(wanted)
    if (marketplace.provider if marketplace.provider_chosen else "") == wanted:
        return {}
    found_out = Kind.GITHUB if marketplace.app_id else Kind.NOT_ASKED
    return {
        "provider": wanted or found_out, "provider_chosen": bool(wanted), "credential_asked_at": None,
    }  # fmt: skip


def pause_syncs(*, principal: Principal, marketplace_id: UUID) -> None:
    """Begin no sync until they are resumed, and call off what is under way. What is served stays.

    Raises `NotAllowed`, `StepUpRequired` or `NotFound`.
    """
    with within(principal.organization):
        marketplace = _locked(principal, marketplace_id)
        if marketplace.paused_at is None:
            _update(principal, marketplace_id, paused_at=Now())
            cancel_syncs(principal.organization_id, marketplace_id)
            audit.record(Action.MARKETPLACE_PAUSED, actor=principal, target=marketplace)


def resume_syncs(*, principal: Principal, marketplace_id: UUID) -> int:
    """Go on with syncs, and begin one. Gives its id. Raises `NotAllowed`, `StepUpRequired`, `NotFound` or `SyncsStopped`."""
    with within(principal.organization):
        marketplace = _locked(principal, marketplace_id)
        if marketplace.paused_at is not None:
            _update(principal, marketplace_id, paused_at=None, next_poll_at=_next_poll(marketplace))
            audit.record(Action.MARKETPLACE_RESUMED, actor=principal, target=marketplace)
        return request_sync(
            organization=principal.organization,
            marketplace_id=marketplace_id,
            trigger=Trigger.MANUAL,
            actor=principal,
        )


def delete_marketplace(*, principal: Principal, marketplace_id: UUID, confirmation: str) -> datetime:
    """Stop serving the marketplace at once, and delete it in seven days unless it is kept. Gives when.

    `confirmation` is its name. Raises `NotAllowed`, `StepUpRequired`, `NotFound` or `NotConfirmed`.
    """
    with within(principal.organization):
        marketplace = _locked(principal, marketplace_id)
        if confirmation != marketplace.slug:
            raise NotConfirmed
        if marketplace.closing_at is None:
            marketplace.closing_at = timezone.now() + GRACE
            _update(principal, marketplace_id, closing_at=marketplace.closing_at)
            cancel_syncs(principal.organization_id, marketplace_id)
            at = marketplace.closing_at.isoformat()
            audit.record(Action.MARKETPLACE_CLOSING, actor=principal, target=marketplace, closing_at=at)
        return marketplace.closing_at


def keep_marketplace(*, principal: Principal, marketplace_id: UUID) -> None:
    """Take the deletion back: what was served is served again. Raises `NotAllowed`, `StepUpRequired` or `NotFound`."""
    with within(principal.organization):
        marketplace = _locked(principal, marketplace_id)
        if marketplace.closing_at is not None:
            _update(principal, marketplace_id, closing_at=None, next_poll_at=Now())
            audit.record(Action.MARKETPLACE_KEPT, actor=principal, target=marketplace)


def delete_closed_marketplaces(*, now: datetime) -> list[UUID]:
    """Delete the marketplaces whose grace is over, with their snapshots, skills, rules and syncs. Gives their ids.

    What they stored goes with the next collection.
    """
    with across_organizations(reason="delete marketplaces whose grace is over"):
        due = Marketplace.objects.all_organizations().filter(closing_at__lte=now)
        found = list(due.order_by("closing_at").values_list("organization_id", "id"))
    for organization_id, marketplace_id in found:
        with within(organization_id):
            own = Marketplace.objects.for_organization(organization_id).filter(pk=marketplace_id)
            marketplace = own.select_for_update().filter(closing_at__lte=now).first()
            if marketplace is None:
                continue  # kept after all, or another worker was quicker
            target = audit.Target.of(marketplace)
            own.update(current_snapshot=None)
            own.delete()
            actor = SystemActor(organization_id=organization_id, what="deletion")
            audit.record(Action.MARKETPLACE_DELETED, actor=actor, target=target)
    return [marketplace_id for _, marketplace_id in found]


def _locked(principal: Principal, marketplace_id: UUID) -> Marketplace:
    """Give the marketplace to somebody who may change it, locked, inside the caller's own `within`."""
    require(principal, Permission.MARKETPLACES_MANAGE)
    require_step_up(principal, now=timezone.now())
    own = Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id)
    marketplace = own.select_for_update().first()
    if marketplace is None:
        raise NotFound
    return marketplace


def _update(principal: Principal, marketplace_id: UUID, **changes: Any) -> None:
    Marketplace.objects.for_organization(principal.organization).filter(pk=marketplace_id).update(**changes)


def _next_poll(marketplace: Marketplace) -> Any:
    return Now() if marketplace.poll_seconds else None


def _require_fitting(poll_seconds: int | None, keep_days: int | None) -> None:
    if poll_seconds and not SHORTEST_POLL_SECONDS <= poll_seconds <= LONGEST_POLL_SECONDS:
        raise SettingRefused("Look at the repository every 60 to 604,800 seconds, or 0 for never.")
    if keep_days is not None and not 0 <= keep_days <= LONGEST_KEPT_DAYS:
        raise SettingRefused("Keep earlier snapshots for 0 to 3,650 days.")
