"""Domains: what an organization claims as its own, and proves by a TXT record in the DNS."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import idna
from django.db import IntegrityError, transaction

from skillport import tokens
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import AdmissionRule, By, VerifiedDomain
from skillport.organizations.services.domain_checks import (
    Found,
    look,
    note_missing,
    note_proof,
    record_names,
    record_text,
)
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal
from skillport.scoping import ScopedQuerySet, within

MOST_DOMAINS: Final = 100
LONGEST_DOMAIN: Final = 240  # with `_skillport.` before it still a name
# Nobody proves these, and who tries has mistaken what a domain is for; it is said at once instead of at the DNS.
_FREE_MAIL: Final = frozenset(
    [
        "126.com",
        "163.com",
        "aol.com",
        "fastmail.com",
        "free.fr",
        "gmail.com",
        "gmx.at",
        "gmx.ch",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hey.com",
        "hotmail.co.uk",
        "hotmail.com",
        "hotmail.de",
        "hotmail.fr",
        "icloud.com",
        "laposte.net",
        "libero.it",
        "live.com",
        "mac.com",
        "mail.com",
        "mail.ru",
        "me.com",
        "msn.com",
        "naver.com",
        "orange.fr",
        "outlook.com",
        "outlook.de",
        "outlook.fr",
        "pm.me",
        "proton.me",
        "protonmail.com",
        "qq.com",
        "rocketmail.com",
        "t-online.de",
        "tuta.com",
        "tutanota.com",
        "web.de",
        "yahoo.co.jp",
        "yahoo.co.uk",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yandex.com",
        "yandex.ru",
        "ymail.com",
        "zoho.com",
    ]
)


class DomainRefused(SkillportError):
    """The text is no domain that an organization can have; the message says why."""

    code = "domain_refused"
    status = 422


class DomainClaimed(SkillportError):
    code = "domain_claimed"
    status = 409
    message = "Your organization has this domain in its list already. Open it in the list."


class RecordMissing(SkillportError):
    """The DNS answered, and the record is not there. The message says what is."""

    code = "domain_record_missing"
    status = 422


class DomainHeld(SkillportError):
    code = "domain_held"
    status = 409
    message = (
        "The record is there, but another organization of this deployment has proved this domain and holds it. If "
        "the domain is yours alone, remove that organization's record from the DNS, and verify again a day later."
    )


class State(StrEnum):
    WAITING = "waiting"
    VERIFIED = "verified"
    LAPSED = "lapsed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """A domain with the record that proves it: `record_text` as TXT at any one of `record_names`."""

    id: UUID
    domain: str
    state: State
    record_names: tuple[str, ...]
    record_text: str
    created_at: datetime
    verified_at: datetime | None
    checked_at: datetime | None
    lapsed_at: datetime | None


def list_domains(*, principal: Principal) -> list[Domain]:
    """Give the organization's domains, in order. Raises `NotAllowed`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    with within(principal.organization):
        return [_shown(row) for row in _own(principal).order_by("domain")]


def get_domain(*, principal: Principal, domain_id: UUID) -> Domain:
    """Give one of them. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.SIGN_IN_MANAGE)
    with within(principal.organization):
        return _shown(_find(principal, domain_id))


def claim_domain(*, principal: Principal, domain: str, now: datetime) -> Domain:
    """Put a domain into the list, with the record that will prove it; it admits nobody yet.

    Several organizations may claim one domain; the first that proves it holds it.
    Raises `NotAllowed`, `StepUpRequired`, `DomainRefused` or `DomainClaimed`.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    plain = plain_domain(domain)
    with within(principal.organization):
        if _own(principal).count() >= MOST_DOMAINS:
            raise DomainRefused(f"An organization has at most {MOST_DOMAINS} domains. Release one first.")
        try:
            with transaction.atomic():
                row = VerifiedDomain.objects.create(
                    organization_id=principal.organization_id,
                    domain=plain,
                    challenge=tokens.random_secret(),
                )
        except IntegrityError:
            raise DomainClaimed from None
        audit.record(Action.DOMAIN_CLAIMED, actor=principal, target=row)
        return _shown(row)


def verify_domain(*, principal: Principal, domain_id: UUID, now: datetime) -> Domain:
    """Look for the record now, for at most five seconds, and note what was found.

    A verified domain whose record is gone lapses. Raises `NotAllowed`, `StepUpRequired`, `NotFound`, `RecordMissing` with what stands
    there instead, `NameServerSilent`, or `DomainHeld` when another organization has proved it.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        row = _find(principal, domain_id)
    found = look(row)
    if not found.proof:
        note_missing(row, actor=principal, now=now)
        raise RecordMissing(_what_is_there(row, found))
    if not note_proof(row, actor=principal, now=now):
        raise DomainHeld
    return get_domain(principal=principal, domain_id=domain_id)


def release_domain(*, principal: Principal, domain_id: UUID, now: datetime) -> None:
    """Give a domain up, with the rules that admit its people; who came by them stays.

    Raises `NotAllowed`, `StepUpRequired` or `NotFound`.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        row = _find(principal, domain_id)
        rules = AdmissionRule.objects.for_organization(principal.organization).filter(
            by=By.DOMAIN, value=row.domain
        )
        for rule in rules:
            audit.record(Action.ADMISSION_RULE_DELETED, actor=principal, target=rule)
        rules.delete()
        audit.record(Action.DOMAIN_RELEASED, actor=principal, target=row)
        _own(principal).filter(pk=domain_id).delete()


def plain_domain(text: str) -> str:
    """Give a domain as the DNS has it: ASCII, lower case, no dot at the end. Raises `DomainRefused`."""
    try:
        plain = idna.encode(text.strip().removesuffix("."), uts46=True, std3_rules=True).decode().lower()
    except idna.IDNAError:
        raise DomainRefused("Give a domain, as in example.org: without @, without https://.") from None
    if len(plain) > LONGEST_DOMAIN:
        raise DomainRefused(f"Give a domain of at most {LONGEST_DOMAIN} characters.")
    if _is_address(plain) or "." not in plain or plain.rpartition(".")[2].isdigit():
        raise DomainRefused("Give the domain of your mail addresses, as in example.org.")
    if plain in _FREE_MAIL:
        raise DomainRefused(f"{plain} is everybody's. Give a domain that belongs to your organization.")
    return plain


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _own(principal: Principal) -> ScopedQuerySet[VerifiedDomain]:
    return VerifiedDomain.objects.for_organization(principal.organization)


def _find(principal: Principal, domain_id: UUID) -> VerifiedDomain:
    row = _own(principal).filter(pk=domain_id).first()
    if row is None:
        raise NotFound
    return row


def _what_is_there(row: VerifiedDomain, found: Found) -> str:
    """Say which record is missing, and what was found where it should be: that is mostly the cause."""
    names = " and ".join(record_names(row))
    if not found.others:
        there = "There is no TXT record there at all."
    else:
        shown = "; ".join(f"“{_readable(text)}”" for text in found.others[:3])
        more = len(found.others) - 3
        there = f"Found there: {shown}" + (f"; and {more} more." if more > 0 else ".")
    return f"No TXT record “{record_text(row)}” at {names}. {there} A new record can take an hour to be seen everywhere."


def _readable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)[:100]


def _shown(row: VerifiedDomain) -> Domain:
    state = State.VERIFIED if row.holds else (State.LAPSED if row.lapsed_at else State.WAITING)
    return Domain(
        id=row.pk,
        domain=row.domain,
        state=state,
        record_names=record_names(row),
        record_text=record_text(row),
        created_at=row.created_at,
        verified_at=row.verified_at,
        checked_at=row.checked_at,
        lapsed_at=row.lapsed_at,
    )
