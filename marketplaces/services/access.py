"""Access rules: edit them, and compile them into what each skill is read by.

The compiled arrays are rewritten in the transaction that changes a rule or publishes a snapshot, and not when people
come and go: they name subjects, and a caller's own subjects are looked up on every call.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from marketplaces.models import AccessRule, Effect, Marketplace, Plugin, Right, Skill, Subject, SubjectKind
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound
from skillport.organizations.models import Group, Membership, Organization
from skillport.permissions import Permission, require
from skillport.principal import Actor, Principal
from skillport.scoping import within


@dataclass(frozen=True, kw_only=True)
class Who:
    """Whom a rule speaks of: one member, the members of a group, or everyone; from when until when."""

    membership_id: UUID | None = None
    group_id: UUID | None = None
    starts_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class What:
    """What a rule speaks of: at most one of these; none is everything the organization has."""

    marketplace_id: UUID | None = None
    plugin_id: int | None = None
    skill_id: int | None = None


def begin_with_everyone_reads(*, organization: Organization, actor: Actor) -> None:
    """Give a new organization its one rule, visible and deletable: everyone may read everything."""
    with within(organization):
        _write_rule(
            organization.pk,
            Who(),
            What(),
            Effect.ALLOW,
            "The rule that every organization begins with.",
            actor,
        )


def create_rule(*, principal: Principal, who: Who, what: What, effect: Effect, note: str = "") -> int:
    """Add a rule; it holds for every request that begins after this call. Gives the rule's id.

    Raises `NotAllowed`, or `NotFound` for a member, marketplace, plugin or skill of nobody's or another
    organization's.
    """
    require(principal, Permission.ACCESS_MANAGE)
    with within(principal.organization):
        lock_policy(principal.organization_id)
        _require_own(principal.organization_id, who, what)
        rule = _write_rule(principal.organization_id, who, what, effect, note, principal)
        compile_readers(principal.organization_id)
        return rule.pk


def delete_rule(*, principal: Principal, rule_id: int) -> None:
    """Remove a rule. Raises `NotAllowed` or `NotFound`."""
    require(principal, Permission.ACCESS_MANAGE)
    with within(principal.organization):
        lock_policy(principal.organization_id)
        rule = AccessRule.objects.for_organization(principal.organization).filter(pk=rule_id).first()
        if rule is None:
            raise NotFound
        audit.record(Action.ACCESS_RULE_DELETED, actor=principal, target=rule, effect=rule.effect)
        AccessRule.objects.for_organization(principal.organization).filter(pk=rule_id).delete()
        compile_readers(principal.organization_id)


def lock_policy(organization_id: UUID) -> None:
    """Let one transaction at a time change rules or publish, so that none publishes rules that are just changing."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)


def compile_readers(organization_id: UUID) -> int:
    """Rewrite the arrays of those skills whose rules give something else now. Needs the policy lock. Gives how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE marketplaces_skill AS skill SET allowed = new.allowed, denied = new.denied
            FROM (
                SELECT s.id,
                       coalesce(array_agg(DISTINCT r.subject_id) FILTER (WHERE r.effect = 'allow'), '{}') AS allowed,
                       coalesce(array_agg(DISTINCT r.subject_id) FILTER (WHERE r.effect = 'deny'), '{}') AS denied
                FROM marketplaces_skill s
                LEFT JOIN marketplaces_accessrule r
                    ON r.organization_id = s.organization_id AND r."right" = 'read'
                   AND (r.marketplace_id IS NULL OR r.marketplace_id = s.marketplace_id)
                   AND (r.plugin_id IS NULL OR r.plugin_id = s.plugin_id)
                   AND (r.skill_id IS NULL OR r.skill_id = s.id)
                WHERE s.organization_id = %s
                GROUP BY s.id
            ) AS new
            WHERE skill.id = new.id AND (skill.allowed, skill.denied) IS DISTINCT FROM (new.allowed, new.denied)
            """,
            [organization_id],
        )
        changed: int = cursor.rowcount
        return changed


def _write_rule(
    organization_id: UUID, who: Who, what: What, effect: Effect, note: str, actor: Actor
) -> AccessRule:
    subject = _subject_of(organization_id, who)
    rule = AccessRule.objects.create(
        organization_id=organization_id,
        subject=subject,
        marketplace_id=what.marketplace_id,
        plugin_id=what.plugin_id,
        skill_id=what.skill_id,
        right=Right.READ,
        effect=effect,
        note=note,
    )
    audit.record(Action.ACCESS_RULE_CREATED, actor=actor, target=rule, effect=effect)
    return rule


def _subject_of(organization_id: UUID, who: Who) -> Subject:
    """Give the one row for this subject, making it the first time."""
    kind = SubjectKind.EVERYONE
    if who.membership_id or who.group_id:
        kind = SubjectKind.MEMBER if who.membership_id else SubjectKind.GROUP
    named = {
        "membership_id": who.membership_id,
        "group_id": who.group_id,
        "starts_at": who.starts_at,
        "expires_at": who.expires_at,
    }
    known = Subject.objects.for_organization(organization_id).filter(kind=kind, **named).first()
    return known or Subject.objects.create(organization_id=organization_id, kind=kind, **named)


def _require_own(organization_id: UUID, who: Who, what: What) -> None:
    """Raise `NotFound` unless everything that the rule names is this organization's."""
    named = [
        (Membership, who.membership_id),
        (Group, who.group_id),
        (Marketplace, what.marketplace_id),
        (Plugin, what.plugin_id),
        (Skill, what.skill_id),
    ]
    for model, pk in named:
        if pk is not None and not model.objects.for_organization(organization_id).filter(pk=pk).exists():
            raise NotFound
