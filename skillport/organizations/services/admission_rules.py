"""Admission rules: who comes in through a connection without an invitation, whether at once, and as what."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import Admission, AdmissionRule, By, Kind, VerifiedDomain
from skillport.organizations.services.connections import find_connection
from skillport.permissions import Permission, require, require_step_up
from skillport.principal import Principal, Role
from skillport.scoping import within

LONGEST_VALUE: Final = 255


class AdmissionRefused(SkillportError):
    """Such a rule cannot be; the message says why."""

    code = "admission_refused"
    status = 422


def add_rule(
    *,
    principal: Principal,
    connection_id: UUID,
    by: By,
    value: str,
    admission: Admission,
    role: Role,
    now: datetime,
) -> UUID:
    """Admit people who come through a connection. Raises `AdmissionRefused`, `NotFound`, `NotAllowed` and the step-up."""
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    if role is Role.OWNER:
        raise AdmissionRefused("Nobody becomes an owner by what a provider says. Choose another role.")
    value = value.strip()
    if len(value) > LONGEST_VALUE:
        raise AdmissionRefused(f"Give the domain or the group with at most {LONGEST_VALUE} characters.")
    with within(principal.organization):
        row = find_connection(principal, connection_id)
        if by is By.DOMAIN:
            value = value.lower()
            held = VerifiedDomain.objects.for_organization(principal.organization).holding()
            if row.kind != Kind.GOOGLE:
                raise AdmissionRefused(
                    "Domains are what Google vouches for. Admit by group or everybody here."
                )
            if not held.filter(domain=value).exists():
                raise AdmissionRefused("Verify this domain first; then people of it can be admitted.")
        elif row.kind == Kind.GOOGLE:
            raise AdmissionRefused(
                "Google knows everybody, and says no groups. Admit by verified domain, or by invitation."
            )
        if by is By.GROUP and not (value and row.groups_claim):
            raise AdmissionRefused(
                "Name the group, and in the connection's settings the claim that holds groups."
            )
        if by is By.CONNECTION:
            value = ""
        try:
            with transaction.atomic():
                rule = AdmissionRule.objects.create(
                    organization_id=principal.organization_id,
                    connection=row,
                    by=by,
                    value=value,
                    admission=admission,
                    role=role,
                )
        except IntegrityError:
            raise AdmissionRefused("There is such a rule already. Remove it first to change it.") from None
        audit.record(
            Action.ADMISSION_RULE_CREATED, actor=principal, target=rule, admission=admission, role=role
        )
        return rule.pk


def delete_rule(
    *, principal: Principal, rule_id: UUID, connection_id: UUID | None = None, now: datetime
) -> None:
    """Admit nobody new by this rule (of this connection, where one is named); whoever came by it stays.

    Raises `NotFound`, `NotAllowed` and the step-up.
    """
    require(principal, Permission.SIGN_IN_MANAGE)
    require_step_up(principal, now=now)
    with within(principal.organization):
        own = AdmissionRule.objects.for_organization(principal.organization).filter(pk=rule_id)
        rule = (own.filter(connection_id=connection_id) if connection_id else own).first()
        if rule is None:
            raise NotFound
        audit.record(Action.ADMISSION_RULE_DELETED, actor=principal, target=rule)
        own.delete()
