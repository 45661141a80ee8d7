"""Whether a domain's record is there: asked when somebody verifies it, and daily from then on.

A record that is certainly gone lets the domain lapse at once: it may belong to somebody else by now. Silence of the
name servers does not, for two days. A domain that lapsed holds again by itself when its record is back within
thirty days; after that a person has to verify it, because a registrar may have sold it since, and the record's text
was public.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q

from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.organizations import mail
from skillport.organizations.models import Membership, VerifiedDomain
from skillport.organizations.models.sign_in import VerifiedDomainQuerySet
from skillport.principal import Actor, SystemActor
from skillport.scoping import across_organizations, within
from skillport.txt_records import NameServerSilent, txt_records

logger = logging.getLogger(__name__)

_MARK: Final = "skillport-domain-verification="
LOOK_SECONDS: Final = 5.0
CHECKED_EVERY: Final = timedelta(hours=24)
SILENCE: Final = timedelta(hours=48)
RETURNS_WITHIN: Final = timedelta(days=30)
_MOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Found:
    """What the DNS says: whether the proof is there, and which other texts are."""

    proof: bool
    others: tuple[str, ...] = ()


def record_names(row: VerifiedDomain) -> tuple[str, ...]:
    """Give the names at which the record may stand."""
    return f"_skillport.{row.domain}", row.domain


def record_text(row: VerifiedDomain) -> str:
    return f"{_MARK}{row.challenge}"


def look(row: VerifiedDomain) -> Found:
    """Ask the DNS for the record. Raises `NameServerSilent` unless it is there, or certainly at neither name."""
    silent, others = False, list[str]()
    for name in record_names(row):
        try:
            texts = txt_records(name, servers=settings.DNS_SERVERS, deadline_seconds=LOOK_SECONDS / 2)
        except NameServerSilent:
            silent = True
            continue
        if record_text(row) in (text.strip() for text in texts):
            return Found(proof=True)
        others += texts
    if silent:
        raise NameServerSilent
    # Name servers shuffle. A record of ours with another text is the likeliest cause, so it is told first.
    return Found(proof=False, others=tuple(sorted(others, key=lambda text: (_MARK not in text, text))))


def check_due_domains(*, now: datetime) -> None:
    """Check every verified domain that was last checked a day ago, and those that lapsed within thirty days."""
    with across_organizations(reason="find domains to check"):
        due = VerifiedDomain.objects.all_organizations().filter(
            Q(lapsed_at=None) | Q(lapsed_at__gt=now - RETURNS_WITHIN),
            verified_at__isnull=False,
            checked_at__lte=now - CHECKED_EVERY,
        )
        found = list(due.order_by("checked_at").values_list("organization_id", "pk")[:_MOST_AT_ONCE])
    for organization_id, domain_id in found:
        check_domain(organization_id=organization_id, domain_id=domain_id, now=now)


def check_domain(*, organization_id: UUID, domain_id: UUID, now: datetime) -> None:
    """Check one domain, and let it lapse or hold again."""
    actor = SystemActor(organization_id=organization_id, what="domain check")
    with within(organization_id):
        row = VerifiedDomain.objects.for_organization(organization_id).filter(pk=domain_id).first()
    if row is None:
        return
    try:
        found = look(row)
    except NameServerSilent:
        # Not noted as checked, so it is tried again within the hour.
        if row.checked_at is not None and now - row.checked_at >= CHECKED_EVERY + SILENCE:
            _lapse(row, actor=actor, now=now, reason="its name servers have not answered for two days")
        return
    if not found.proof:
        note_missing(row, actor=actor, now=now)
    elif not note_proof(row, actor=actor, now=now):
        logger.info("A lapsed domain has its record again, and another holder", extra={"domain": row.pk})


def note_proof(row: VerifiedDomain, *, actor: Actor, now: datetime) -> bool:
    """Let the domain hold, from now on or still; False when another organization holds it."""
    try:
        with within(row.organization_id):
            if _own(row).holding().update(checked_at=now):
                return True
            if _own(row).update(verified_at=now, checked_at=now, lapsed_at=None):
                audit.record(Action.DOMAIN_VERIFIED, actor=actor, target=row)
    except IntegrityError:
        with within(row.organization_id):
            _own(row).update(checked_at=now)
        return False
    return True


def note_missing(row: VerifiedDomain, *, actor: Actor, now: datetime) -> None:
    """Note that the record is certainly not there; a domain that held lapses."""
    with within(row.organization_id):
        _own(row).update(checked_at=now)
    _lapse(row, actor=actor, now=now, reason="its record is gone")


def _lapse(row: VerifiedDomain, *, actor: Actor, now: datetime, reason: str) -> None:
    """Let the domain admit nobody from now on, and tell the owners, once."""
    with within(row.organization_id):
        if not _own(row).holding().update(lapsed_at=now):
            return
        audit.record(Action.DOMAIN_LAPSED, actor=actor, target=row, reason=reason)
        owners = Membership.objects.for_organization(row.organization_id).owners()
        told = list(owners.filter(user__is_active=True).select_related("user", "organization"))
    for owner in told:
        if owner.user.email:
            _warn(row, owner, reason)


def _warn(row: VerifiedDomain, owner: Membership, reason: str) -> None:
    organization = owner.organization
    name = mail.one_line(organization.name)[:100]
    mail.send(
        to=owner.user.email,
        subject=f"{row.domain} no longer lets people in to {name}: {reason}",
        text=(
            f"{name} no longer admits people because they belong to {row.domain}: {reason}. Who is a member stays "
            f"one.\n\nTo let the domain count again, let this TXT record stand at {' or '.join(record_names(row))}:\n\n"
            f"{record_text(row)}\n\nThen verify it here:\n\n"
            f"{settings.SITE_URL}/{organization.slug}/settings/sign-in/domains/{row.pk}/\n"
        ),
    )


def _own(row: VerifiedDomain) -> VerifiedDomainQuerySet:
    return VerifiedDomain.objects.for_organization(row.organization_id).filter(pk=row.pk)
