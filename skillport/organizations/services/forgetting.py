"""Forget for good: organizations whose days of grace are over, and people who ask to be erased."""

from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from django.db.models import ForeignKey, Q

from skillport.accounts.models import Identity, Session, User, identity_key
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import SkillportError
from skillport.organizations.models import Invitation, JoinRequest, Membership, Organization
from skillport.organizations.services.members import end_membership
from skillport.principal import Role, SystemActor
from skillport.scoping import OrganizationOwned, across_organizations, within
from skillport.walls import SameOrganization


class StillTheLastOwner(SkillportError):
    code = "last_owner"
    status = 409

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"The only owner of {', '.join(names)}. Make somebody else an owner there, or delete the organization first."
        )


# --- organizations ----------------------------------------------------------------------------------------------------


def delete_closed_organizations(*, now: datetime) -> list[UUID]:
    """Delete all that organizations have whose grace is over. Gives their ids. Their rows stay, to block the slugs."""
    due = Organization.objects.filter(closing_at__lte=now, closed_at=None).order_by("closing_at")
    deleted = []
    for organization in due:
        _delete(organization, now)
        deleted.append(organization.pk)
    return deleted


def _delete(organization: Organization, now: datetime) -> None:
    """Delete every row that names the organization, in one transaction, and leave its slug and one event."""
    with within(organization):
        locked = Organization.objects.select_for_update().filter(
            pk=organization.pk, closing_at__lte=now, closed_at=None
        )
        if not locked.exists():
            return  # kept after all, or another worker was quicker
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '10min'")
            for model in _referring_first():
                table = connection.ops.quote_name(model._meta.db_table)
                cursor.execute(f"DELETE FROM {table} WHERE organization_id = %s", [organization.pk])  # noqa: S608 quoted
            locked.update(closed_at=now, name="")
            cursor.execute("SELECT forget_audit_of_closed(%s)", [organization.pk])
        actor = SystemActor(organization_id=organization.pk, what="deletion")
        audit.record(Action.ORGANIZATION_CLOSED, actor=actor, target=audit.Target.of(organization))


def _referring_first() -> list[type[OrganizationOwned]]:
    """Give every owned table in an order in which no row outlives what it refers to, where that is checked at once.

    All other foreign keys are checked when the transaction ends.
    """
    left = [
        model
        for model in apps.get_models()
        if issubclass(model, OrganizationOwned) and model is not AuditEvent
    ]
    ordered: list[type[OrganizationOwned]] = []
    while left:
        referred = {target for model in left for target in _referred_at_once(model)}
        free = [model for model in left if model not in referred]
        ordered += free
        left = [model for model in left if model in referred]
        assert free, "tables refer to each other in a circle"  # noqa: S101 a programmer's mistake, seen by every test
    return ordered


def _referred_at_once(model: type[OrganizationOwned]) -> set[type[OrganizationOwned]]:
    at_once = {
        constraint.field
        for constraint in model._meta.constraints
        if isinstance(constraint, SameOrganization) and not constraint.deferrable
    }
    fields = (model._meta.get_field(name) for name in at_once)
    return {field.related_model for field in fields if isinstance(field, ForeignKey)}  # type: ignore[misc]


# --- people -----------------------------------------------------------------------------------------------------------


def erase_person(*, user_id: UUID, now: datetime) -> None:
    """Forget a person in every organization: memberships end, identities, sessions and names go. An opaque id stays.

    Raises `StillTheLastOwner`, which names the organizations that would be left without one; then nothing is changed.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        memberships = _live_memberships(user)
        _refuse_last_owner(memberships)
        for membership in memberships:
            actor = SystemActor(organization_id=membership.organization_id, what="erasure")
            end_membership(organization=membership.organization, membership_id=membership.pk, actor=actor)
            with within(membership.organization_id):
                audit.record(Action.PERSON_ERASED, actor=actor, target=membership, person=str(user_id))
        targets = _named_in_the_log(user)
        Session.objects.filter(user=user).delete()
        Identity.objects.filter(user=user).delete()
        for authenticator in user.authenticator_set.all():  # type: ignore[attr-defined]
            authenticator.delete()
        user.email, user.name, user.is_active, user.is_operator, user.erased_at = "", "", False, False, now
        user.handle = user.pk.hex
        user.set_unusable_password()
        user.save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT forget_person_in_audit(%s, %s)", [user_id, targets])


def _named_in_the_log(user: User) -> list[str]:
    """Forget the person's requests and invitations, and give the log's targets that name the person."""
    with across_organizations(reason="a person is erased wherever they belonged"):
        requests = JoinRequest.objects.all_organizations().filter(user=user)
        theirs = Q(membership__user=user) | (Q(email__iexact=user.email) if user.email else Q())
        invitations = Invitation.objects.all_organizations().filter(theirs)
        targets = [f"joinrequest:{pk}" for pk in requests.values_list("pk", flat=True)]
        found = list(invitations.values_list("pk", flat=True))
        targets += [f"invitation:{pk}" for pk in found]
        requests.delete()
        Invitation.objects.all_organizations().filter(pk__in=found).update(email="erased@invalid")
    known_as = Identity.objects.filter(user=user).values_list("issuer", "subject")
    return [*targets, *(f"identity:{identity_key(issuer, subject)}" for issuer, subject in known_as)]


def _live_memberships(user: User) -> list[Membership]:
    with across_organizations(reason="a person is erased wherever they belonged"):
        live = Membership.objects.all_organizations().live().filter(user=user)
        return list(live.select_related("organization"))


def _refuse_last_owner(memberships: list[Membership]) -> None:
    stranded = []
    for membership in memberships:
        if membership.role != Role.OWNER or membership.organization.closed_at:
            continue
        with within(membership.organization_id):
            owners = Membership.objects.for_organization(membership.organization_id).owners()
            if not owners.exclude(pk=membership.pk).exists():
                stranded.append(membership.organization.slug)
    if stranded:
        raise StillTheLastOwner(stranded)
