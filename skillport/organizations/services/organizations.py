"""Organizations: found one, change it, close it, and delete it for good."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction

from skillport.accounts.models import Method, User
from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.errors import SkillportError
from skillport.organizations.models import AdmittedBy, Organization
from skillport.organizations.models.organization import LONGEST_SESSION_HOURS
from skillport.organizations.services.members import add_member
from skillport.organizations.slugs import RESERVED, is_slug, suggest
from skillport.permissions import NotAllowed, Permission, require, require_step_up
from skillport.principal import Principal, Role, SystemActor
from skillport.scoping import within

GRACE: Final = timedelta(days=7)
LONGEST_NAME: Final = 200


class SlugRefused(SkillportError):
    code = "slug_refused"
    status = 422
    message = (
        "This address cannot be used. Choose 2 to 40 lower-case letters, digits and single hyphens that no other "
        "organization uses and that is not a word of Skillport's own."
    )

    def __init__(self, suggestions: tuple[str, ...] = ()) -> None:
        free = f" Free are: {', '.join(suggestions)}." if suggestions else ""
        super().__init__(self.message + free)


class NameRefused(SkillportError):
    code = "name_refused"
    status = 422
    message = f"Give a name of at most {LONGEST_NAME} characters."


class SessionHoursRefused(SkillportError):
    code = "session_hours_refused"
    status = 422
    message = f"Sessions last between 1 and {LONGEST_SESSION_HOURS} hours."


class NotConfirmed(SkillportError):
    code = "not_confirmed"
    status = 422
    message = "Type the organization's address exactly as it is shown. Nothing was deleted."


def may_found(user: User) -> bool:
    """Tell whether the operator lets this person create organizations."""
    return user.is_active and (settings.FOUNDERS == "everyone" or user.is_operator)


def create_organization(*, name: str, slug: str, owner: User, begun_in_session: str = "") -> Organization:
    """Create an organization with its first owner. Raises `NameRefused` or `SlugRefused`, with free ones."""
    if not name.strip() or len(name) > LONGEST_NAME:
        raise NameRefused
    if not is_slug(slug) or slug in RESERVED:
        raise SlugRefused(_free(slug, name))
    with transaction.atomic():
        try:
            with transaction.atomic():
                organization = Organization.objects.create(slug=slug, name=name.strip())
        except IntegrityError:
            raise SlugRefused(_free(slug, name)) from None
        actor = SystemActor(organization_id=organization.pk, what="sign-up")
        with within(organization):
            audit.record(Action.ORGANIZATION_CREATED, actor=actor, target=organization)
            add_member(
                organization=organization,
                user=owner,
                role=Role.OWNER,
                actor=actor,
                admitted_by=AdmittedBy.FOUNDING,
                begun_in_session=begun_in_session,
            )
    return organization


def get_organization(*, principal: Principal) -> Organization:
    """Give the caller's organization with its settings."""
    return Organization.objects.get(pk=principal.organization_id)


def change_organization(
    *, principal: Principal, name: str | None = None, session_hours: int | None = None
) -> None:
    """Rename the organization, or change how long a sign-in lasts in it; its address never changes.

    Raises `NotAllowed`, `NameRefused` or `SessionHoursRefused`.
    """
    require(principal, Permission.ORGANIZATION_MANAGE)
    changes: dict[str, object] = {}
    if name is not None:
        if not name.strip() or len(name) > LONGEST_NAME:
            raise NameRefused
        changes["name"] = name.strip()
    if session_hours is not None:
        if not 1 <= session_hours <= LONGEST_SESSION_HOURS:
            raise SessionHoursRefused
        changes["session_hours"] = session_hours
    with within(principal.organization):
        Organization.objects.filter(pk=principal.organization_id).update(**changes)
        organization = Organization.objects.get(pk=principal.organization_id)
        audit.record(Action.ORGANIZATION_CHANGED, actor=principal, target=organization, **changes)


def close_organization(*, principal: Principal, confirmation: str, now: datetime) -> None:
    """Ask for the organization to be deleted in seven days; until then owners may keep it.

    From now on only owners get in, and nothing is served. Raises `NotAllowed`, `StepUpRequired` or `NotConfirmed`.
    """
    require(principal, Permission.OWNERSHIP)
    require_step_up(principal, now=now)
    if confirmation != principal.organization.slug:
        raise NotConfirmed
    closing_at = now + GRACE
    with within(principal.organization):
        asked = Organization.objects.filter(pk=principal.organization_id, closing_at=None)
        if asked.update(closing_at=closing_at):
            _record(Action.ORGANIZATION_CLOSING, principal, closing_at=closing_at.isoformat())


def keep_organization(*, principal: Principal) -> None:
    """Take the request to delete the organization back. Raises `NotAllowed`."""
    require(principal, Permission.OWNERSHIP)
    with within(principal.organization):
        closing = Organization.objects.filter(pk=principal.organization_id, closing_at__isnull=False)
        if closing.update(closing_at=None):
            _record(Action.ORGANIZATION_KEPT, principal)


def require_founder(user: User, *, method: str) -> None:
    """Raise `NotAllowed` unless this person may create organizations here, signed in as they are."""
    if not may_found(user):
        raise NotAllowed("Only the operators of this deployment create organizations. Ask one of them.")
    if method == Method.CONNECTION:
        # It counts in its own organization only: the founder would stand before a closed door.
        raise NotAllowed(
            "You are signed in through one organization's own provider, which counts in that organization only. "
            "Sign in with Google or with a local account, and then create the new one."
        )


def _record(action: Action, principal: Principal, **details: object) -> None:
    organization = Organization.objects.get(pk=principal.organization_id)
    audit.record(action, actor=principal, target=organization, **details)


def _free(slug: str, name: str) -> tuple[str, ...]:
    """Give up to three slugs like the wanted one that are free."""
    wanted = suggest(slug, name)
    taken = set(Organization.objects.filter(slug__in=wanted).values_list("slug", flat=True))
    return tuple(one for one in wanted if one not in taken)[:3]
