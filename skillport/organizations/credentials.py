"""From a row of a crossing function to a principal; and from a browser's session to its principal.

Nothing is cached: a session that was ended, or a membership that was, counts from the next request on.
"""

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.db import connection

from skillport.accounts import sessions
from skillport.accounts.models import Method
from skillport.permissions import scopes_within
from skillport.principal import Door, OrganizationRef, Principal, Role, Scope

# What every function that finds a principal gives, in this order.
COLUMNS: Final = (
    "organization_id, organization_slug, organization_name, membership_id, user_id, email, name, role, groups, scopes, "
    "confirmed_at"
)
_KNOWN: Final = frozenset(Scope)


def principal_of_row(row: tuple[Any, ...], *, door: Door) -> Principal:
    """Build the principal from `COLUMNS`. A scope that this version does not know is left out."""
    role = Role(row[7])
    scopes = frozenset(Scope(scope) for scope in row[9] if scope in _KNOWN)
    return Principal(
        organization=OrganizationRef(pk=row[0], slug=row[1], name=row[2]),
        membership_id=row[3],
        user_id=row[4],
        email=row[5],
        name=row[6],
        role=role,
        groups=frozenset(row[8]),
        scopes=scopes_within(role, scopes),
        door=door,
        confirmed_at=row[10],
    )


def principal_of_session(*, cookie: str | None, slug: str, door: Door) -> Principal | None:
    """Give who the session behind `cookie` is inside the organization `slug`, or None.

    None is the one answer to all that may be wrong: no session, no such organization, no live membership, a session
    that is older than the membership or than the organization lets sessions grow, or one that was signed in in a way
    that this organization does not accept.
    """
    if not cookie:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM principal_of_session(%s, %s, %s)",  # noqa: S608 a constant
            [sessions.digest(cookie), slug, list(accepted_methods())],
        )
        row = cursor.fetchone()
    return principal_of_row((*row[:9], _KNOWN, row[10]), door=door) if row else None


def accepted_methods() -> Iterable[Method]:
    """Give the ways of signing in that this deployment has switched on."""
    yield Method.CONNECTION
    if settings.GOOGLE_CLIENT_ID:
        yield Method.GOOGLE
    if settings.LOCAL_ACCOUNTS:
        yield Method.LOCAL
    if settings.DEMO_SIGN_IN:
        yield Method.DEMO
