"""From a bearer string to a principal: the one lookup that every door makes, for every request.

Nothing is cached: a key that was revoked, or a membership that ended, counts from the next request on.
"""

from django.db import connection

from skillport import tokens
from skillport.errors import SkillportError
from skillport.principal import Door, OrganizationRef, Principal, Role, Scope
from skillport.tokens import Prefix

_QUERY = """
    SELECT organization_id, organization_slug, organization_name, membership_id, user_id, email, name, role, scopes
    FROM principal_of(%s, %s)
"""


class Unauthenticated(SkillportError):
    """No credential, or one that is not valid here: unknown, revoked, expired, or another organization's."""

    code = "unauthenticated"
    status = 401
    message = "Send a valid API key of this organization as `Authorization: Bearer <key>`."


class ScopeMissing(SkillportError):
    code = "insufficient_scope"
    status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This key may not be used here: it lacks the scope {scope}. Make a key that has it."
        )
        self.scope = scope


def principal_of_bearer(*, header: str, slug: str, door: Door) -> Principal:
    """Give who sends `header` (the value of Authorization) to the organization `slug`. Raises `Unauthenticated`."""
    kind, _, secret = header.partition(" ")
    if kind.lower() != "bearer" or not tokens.well_formed(secret.strip(), Prefix.API_KEY):
        raise Unauthenticated
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, [tokens.digest(secret.strip()), slug])
        row = cursor.fetchone()
    if row is None:
        raise Unauthenticated
    known = frozenset(Scope)
    return Principal(
        organization=OrganizationRef(pk=row[0], slug=row[1], name=row[2]),
        membership_id=row[3],
        user_id=row[4],
        email=row[5],
        name=row[6],
        role=Role(row[7]),
        scopes=frozenset(Scope(scope) for scope in row[8] if scope in known),
        door=door,
    )


def require(principal: Principal, scope: Scope) -> None:
    """Raise `ScopeMissing` unless the credential carries `scope`."""
    if not principal.may(scope):
        raise ScopeMissing(scope)
