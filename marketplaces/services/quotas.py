"""How much an organization may have: bytes of files in all, and marketplaces. The operator decides.

The settings give limits for every organization; `set_quota` gives one organization others.
"""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from marketplaces.models import Blob, Marketplace, Quota
from marketplaces.services.access import lock_policy
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.principal import Actor
from skillport.scoping import HasOrganizationKey, within

_MEGABYTE = 2**20


class StorageFull(SkillportError):
    """The organization may not store so much. Nothing that is served has changed."""

    code = "storage_full"
    status = 409

    @classmethod
    def of(cls, *, new_bytes: int, left_bytes: int, most_bytes: int) -> Self:
        return cls(
            f"The new files of this commit take {megabytes(new_bytes)}, and of the {megabytes(most_bytes)} that this "
            f"organization may store {megabytes(max(left_bytes, 0))} are left. Take large files out of the repository, or "
            "delete a marketplace that nobody needs; or ask the operator of this deployment for more. Members keep what "
            "was imported before."
        )


class TooManyMarketplaces(SkillportError):
    code = "too_many_marketplaces"
    status = 409

    @classmethod
    def than(cls, most: int) -> Self:
        return cls(
            f"This organization may bind {most} repositories, and has. Delete a marketplace that nobody needs, or ask the "
            "operator of this deployment for more. Nothing was bound."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    stored_bytes: int
    marketplaces: int


def limits_of(organization_id: UUID) -> Limits:
    """Give what the organization may have. Inside the caller's own `within`."""
    own = Quota.objects.for_organization(organization_id).first()
    stored, marketplaces = (own.stored_bytes, own.marketplaces) if own else (None, None)
    return Limits(
        stored_bytes=settings.MOST_STORED_BYTES if stored is None else stored,
        marketplaces=settings.MOST_MARKETPLACES if marketplaces is None else marketplaces,
    )


def set_quota(
    *, organization: HasOrganizationKey, stored_bytes: int | None, marketplaces: int | None, actor: Actor
) -> None:
    """Give the organization limits of its own; None is the deployment's. What it has already, it keeps."""
    with within(organization):
        quota, _ = Quota.objects.for_organization(organization).update_or_create(
            organization_id=organization.pk,
            defaults={"stored_bytes": stored_bytes, "marketplaces": marketplaces},
        )
        audit.record(
            Action.QUOTA_CHANGED,
            actor=actor,
            target=quota,
            stored_bytes=stored_bytes,
            marketplaces=marketplaces,
        )


def stored_bytes_of(organization_id: UUID) -> int:
    """Give how many bytes of files the organization stores, each content once. Inside the caller's own `within`."""
    sizes = Blob.objects.for_organization(organization_id)
    return int(sizes.aggregate(total=Sum("size_bytes"))["total"] or 0)


def require_room(organization_id: UUID, new_bytes: int) -> None:
    """Raise `StorageFull` when so many bytes more would be too many; nothing needs no room. In the caller's `within`."""
    if new_bytes:
        most, stored = limits_of(organization_id).stored_bytes, stored_bytes_of(organization_id)
        if stored + new_bytes > most:
            raise StorageFull.of(new_bytes=new_bytes, left_bytes=most - stored, most_bytes=most)


def lock_storage(organization_id: UUID) -> None:
    """Let one transaction at a time ask for room and fill it. Not the policy lock: that one waits for whole imports."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"storage:{organization_id}"]
        )


def require_room_for_marketplace(organization_id: UUID) -> None:
    """Raise `TooManyMarketplaces` when there is no room for one more; the answer holds until the transaction ends."""
    lock_policy(organization_id)
    most = limits_of(organization_id).marketplaces
    if Marketplace.objects.for_organization(organization_id).count() >= most:
        raise TooManyMarketplaces.than(most)


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:,.1f} MB"
