"""Organizations and memberships: create, join, leave."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from skillport.accounts.models import User
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import NotFound, SkillportError
from skillport.organizations.models import Membership, Organization
from skillport.organizations.slugs import RESERVED, is_slug
from skillport.principal import Actor, Role, SystemActor
from skillport.scoping import within


class SlugRefused(SkillportError):
    code = "slug_refused"
    status = 422
    message = (
        "This address cannot be used. Choose 2 to 40 lower-case letters, digits and single hyphens that no other "
        "organization uses and that is not a word of Skillport's own."
    )


class LastOwner(SkillportError):
    code = "last_owner"
    status = 409
    message = "An organization needs an owner. Make somebody else an owner first."


def create_organization(*, name: str, slug: str, owner: User) -> Organization:
    """Create an organization with its first owner. Raises `SlugRefused`."""
    if not is_slug(slug) or slug in RESERVED:
        raise SlugRefused
    with transaction.atomic():
        try:
            with transaction.atomic():
                organization = Organization.objects.create(slug=slug, name=name)
        except IntegrityError:
            raise SlugRefused from None
        actor = SystemActor(organization_id=organization.pk, what="sign-up")
        with within(organization):
            audit.record(Action.ORGANIZATION_CREATED, actor=actor, target=organization)
            _begin_membership(organization, owner, Role.OWNER, actor)
    return organization


def add_member(*, organization: Organization, user: User, role: Role, actor: Actor) -> Membership:
    """Let `user` belong to the organization from now on. A person has at most one live membership in it."""
    with within(organization):
        live = Membership.objects.for_organization(organization).filter(user=user, ended_at=None).first()
        return live or _begin_membership(organization, user, role, actor)


def end_membership(*, organization: Organization, membership_id: UUID, actor: Actor) -> None:
    """End a membership, and with it, in the same statement, every credential that hangs on it.

    Raises `NotFound` when there is no such live membership here, `LastOwner` for the only owner.
    """
    with within(organization):
        Organization.objects.select_for_update(no_key=True).get(
            pk=organization.pk
        )  # one change of owners at a time
        live = Membership.objects.for_organization(organization).filter(ended_at=None)
        membership = live.filter(pk=membership_id).first()
        if membership is None:
            raise NotFound
        if (
            membership.role == Role.OWNER
            and not live.filter(role=Role.OWNER).exclude(pk=membership_id).exists()
        ):
            raise LastOwner
        live.filter(pk=membership_id).update(ended_at=timezone.now())
        audit.record(Action.MEMBERSHIP_ENDED, actor=actor, target=membership)


def _begin_membership(organization: Organization, user: User, role: Role, actor: Actor) -> Membership:
    membership = Membership.objects.create(organization=organization, user=user, role=role)
    audit.record(Action.MEMBERSHIP_BEGAN, actor=actor, target=membership, role=role, person=str(user))
    return membership
