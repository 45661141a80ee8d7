"""Where one person belongs: asked before, or beside, being inside any one organization."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, CharField, F, Func, Value
from django.db.models.functions import Lower

from skillport.accounts import sessions
from skillport.organizations.credentials import accepted_methods
from skillport.organizations.models import JoinRequest, Membership
from skillport.principal import Role
from skillport.scoping import across_organizations


@dataclass(frozen=True, kw_only=True, slots=True)
class Belonging:
    """One organization of a person's. `counts` says whether the session at hand opens it."""

    slug: str
    name: str
    role: Role
    closing_at: datetime | None
    counts: bool

    @property
    def is_shut(self) -> bool:
        """Tell whether no sign-in opens it: it is being deleted, and its owners alone may still come in."""
        return self.closing_at is not None and self.role is not Role.OWNER

    @property
    def address(self) -> str:
        return f"/{self.slug}/" if self.counts else f"/{self.slug}/sign-in"


class _Counts(Func):
    """Whether the session with this digest, signed in by one of these methods, opens the organization of this slug."""

    template = "EXISTS (SELECT FROM principal_of_session(%(expressions)s))"
    output_field = BooleanField()


def organizations_of(*, user_id: UUID, cookie: str) -> list[Belonging]:
    """Give the organizations that a person is a live member of, in the order of their names."""
    methods = Value(list(accepted_methods()), ArrayField(CharField()))
    counts = _Counts(Value(sessions.digest(cookie)), F("organization__slug"), methods)
    with across_organizations(reason="a person's own organizations"):
        live = Membership.objects.all_organizations().live()
        memberships = live.filter(user_id=user_id, organization__closed_at=None)
        return [
            Belonging(
                slug=one.organization.slug,
                name=one.organization.name,
                role=Role(one.role),
                closing_at=one.organization.closing_at,
                counts=one.counts,  # type: ignore[attr-defined]
            )
            for one in memberships.select_related("organization")
            .annotate(counts=counts)
            .order_by(Lower("organization__name"), "organization__slug")
        ]


def waited_for_by(*, user_id: UUID) -> list[str]:
    """Give the names of the organizations whose administrators have not decided yet whether to let a person in."""
    with across_organizations(reason="a person's own requests to join"):
        requests = JoinRequest.objects.all_organizations().filter(
            user_id=user_id, decided_at=None, organization__closed_at=None
        )
        return list(requests.order_by("organization__name").values_list("organization__name", flat=True))
