"""When a marketplace's credential ends: asked of its provider, written down, and told to those who can replace it.

Asked when a repository is bound, when its credential is replaced, and daily. Owners and administrators get one mail
fourteen days ahead, one seven days ahead and one the day before.
"""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from marketplaces.models import Marketplace
from marketplaces.providers.api import Access, Kind
from marketplaces.providers.detection import detect, provider_of
from marketplaces.services import credentials, notices
from marketplaces.services.credentials import Credential
from skillport.errors import SkillportError
from skillport.outbound import Outbound
from skillport.scoping import ScopedQuerySet, across_organizations, within

logger = logging.getLogger(__name__)

ASKED_EVERY: Final = timedelta(hours=24)
WARNED_DAYS: Final = (14, 7, 1)  # ahead of the end
_MOST_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider of a repository says. `expires_at` is None and `known` for a credential that does not end."""

    provider: Kind = Kind.NOT_ASKED
    expires_at: datetime | None = None
    known: bool = False


def ask(*, url: str, credential: Credential, provider: Kind = Kind.NOT_ASKED) -> Told:
    """Ask whose host it is, unless that is known, and when the credential ends. A host that does not say is no error."""
    if credential.app is not None:
        return Told(Kind.GITHUB, known=True)  # an App's key has no end, and nobody else knows Apps
    outbound = Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
    try:
        kind = provider or detect(url, outbound)
    except SkillportError:
        return Told()
    speaks = provider_of(kind)
    if speaks is None or not credential.secret or not credential.secret.isascii():
        return Told(kind)  # providers' own tokens are ASCII, and a header can hold nothing else
    try:
        return Told(kind, speaks.expires_at(Access(url, credential.secret, outbound)), known=True)
    except SkillportError as error:
        logger.info("A provider did not tell when a credential ends", extra={"code": error.code})
        return Told(kind)


def note(marketplace: Marketplace, told: Told, asked_at: datetime | None) -> list[str]:
    """Put what was told of a new credential on its row, and give the names of the fields. Saving is up to the caller."""
    if not marketplace.provider_chosen:
        marketplace.provider = told.provider
    marketplace.credential_expires_at = told.expires_at
    marketplace.credential_expiry_known = told.known
    marketplace.credential_asked_at = asked_at
    marketplace.credential_warned_days = None
    return [
        "provider", "credential_expires_at", "credential_expiry_known", "credential_asked_at", "credential_warned_days",
    ]  # fmt: skip


def look_after_credentials(*, now: datetime) -> None:
    """Ask again about every credential that was last asked about a day ago, and tell of those that end soon."""
    with across_organizations(reason="find credentials to ask about"):
        due = Marketplace.objects.all_organizations().filter(
            Q(credential_asked_at=None) | Q(credential_asked_at__lte=now - ASKED_EVERY),
            organization__closing_at=None,
            closing_at=None,
            paused_at=None,
            attention="",
        )
        due = due.filter(app_id="").exclude(credential=b"").exclude(provider=Kind.OTHER)
        found = list(due.order_by("credential_asked_at").values_list("organization_id", "pk")[:_MOST_AT_ONCE])
    for organization_id, marketplace_id in found:
        with _alone(marketplace_id):
            ask_again(organization_id=organization_id, marketplace_id=marketplace_id, now=now)
    with across_organizations(reason="find credentials that end soon"):
        ending = Marketplace.objects.all_organizations().filter(
            credential_expires_at__gt=now,
            credential_expires_at__lte=now + timedelta(days=max(WARNED_DAYS)),
            organization__closing_at=None,
            closing_at=None,
        )
        soon = list(ending.values_list("organization_id", "pk"))
    for organization_id, marketplace_id in soon:
        with _alone(marketplace_id):
            warn(organization_id=organization_id, marketplace_id=marketplace_id, now=now)


@contextlib.contextmanager
def _alone(marketplace_id: UUID) -> Iterator[None]:
    """Let what goes wrong with one marketplace keep nobody else from being looked after."""
    try:
        yield
    except Exception:
        logger.exception("Could not look after a credential", extra={"marketplace": str(marketplace_id)})


def ask_again(*, organization_id: UUID, marketplace_id: UUID, now: datetime) -> None:
    """Ask when a marketplace's credential ends, and write it down unless what was asked was changed meanwhile."""
    with within(organization_id):
        own = _own(organization_id, marketplace_id)
        own.update(credential_asked_at=now)  # first: whatever comes of it, the others' turn is next
        row = own.first()
    if row is None:
        return
    told = ask(url=row.url, credential=credentials.stored(row), provider=Kind(row.provider))
    with within(organization_id):
        same = _own(organization_id, marketplace_id).filter(
            credential=row.credential.sealed, provider=row.provider, provider_chosen=row.provider_chosen
        )
        if not told.known:  # what was told before still holds
            same.update(provider=told.provider, credential_asked_at=now)
            return
        # Prolonged at the provider: its end is a new one, to be warned of anew.
        again = {} if told.expires_at == row.credential_expires_at else {"credential_warned_days": None}
        same.update(
            provider=told.provider, credential_expires_at=told.expires_at, credential_expiry_known=True,
            credential_asked_at=now, **again,
        )  # fmt: skip


def warn(*, organization_id: UUID, marketplace_id: UUID, now: datetime) -> None:
    """Tell owners and administrators that a credential ends soon, once for each of the steps."""
    with within(organization_id):
        row = _own(organization_id, marketplace_id).select_related("organization").first()
        if row is None or row.credential_expires_at is None:
            return
        ends_at, step = row.credential_expires_at, step_reached(row.credential_expires_at, now)
        if step is None:
            return
        not_yet = Q(credential_warned_days=None) | Q(credential_warned_days__gt=step)
        # The update is the lock: of two tasks at once, one tells.
        if not _own(organization_id, marketplace_id).filter(not_yet).update(credential_warned_days=step):
            return
        managers = notices.managers_of(organization_id)
    _tell(row, managers, ends_at, days_left(ends_at, now))


def step_reached(expires_at: datetime, now: datetime) -> int | None:
    """Give the smallest step whose time has come; None when none has, or the credential has ended already."""
    if expires_at <= now:
        return None
    reached = [days for days in WARNED_DAYS if expires_at - now <= timedelta(days=days)]
    return min(reached, default=None)


def days_left(expires_at: datetime, now: datetime) -> int:
    """Give how many days a credential still works, a begun one counted whole; 0 or less: it has ended."""
    return math.ceil((expires_at - now) / timedelta(days=1))


def _tell(row: Marketplace, managers: list[str], ends_at: datetime, left: int) -> None:
    name, soon = notices.name_of(row), "in one day" if left == 1 else f"in {left} days"
    notices.send(
        managers, row, page="credential/",
        subject=f"The token of {row.slug} in {name} ends {soon}",
        text=(
            f"The token with which Skillport reads {row.url} for {name} ends {soon}, on "
            f"{ends_at:%d %B %Y at %H:%M} UTC. From then on nothing new of it arrives; members keep "
            "what they have.\n\nMake a new token at the git host that may read the repository, and replace the old one here:"
        ),
    )  # fmt: skip


def _own(organization_id: UUID, marketplace_id: UUID) -> ScopedQuerySet[Marketplace]:
    return Marketplace.objects.for_organization(organization_id).filter(pk=marketplace_id)
