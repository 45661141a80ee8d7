"""From a bearer string to a principal: the one lookup that every door makes, for every request.

Nothing is cached: a key that was revoked, or a membership that ended, counts from the next request on.
"""

from django.db import connection

from skillport import tokens
from skillport.errors import SkillportError
from skillport.organizations.credentials import COLUMNS, principal_of_row
from skillport.principal import Door, Principal, Scope
from skillport.tokens import Prefix

_QUERY = f"SELECT {COLUMNS} FROM principal_of(%s, %s)"  # noqa: S608 a constant


class Unauthenticated(SkillportError):
    """No credential, or one that is not valid here: unknown, revoked, expired, or another organization's."""

    code = "unauthenticated"
    status = 401
    headers = {"www-authenticate": 'Bearer realm="skillport"'}
    message = "Send a valid API key of this organization as `Authorization: Bearer <key>`."


class ScopeMissing(SkillportError):
    code = "insufficient_scope"
    status = 403

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This key may not be used here: it lacks the scope {scope}. Make a key that has it."
        )
        self.headers = {
            "www-authenticate": f'Bearer realm="skillport", error="insufficient_scope", scope="{scope}"'
        }


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
    return principal_of_row(row, door=door)


def require(principal: Principal, scope: Scope) -> None:
    """Raise `ScopeMissing` unless the credential carries `scope`."""
    if not principal.may(scope):
        raise ScopeMissing(scope)
