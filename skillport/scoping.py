"""The code's half of the wall between organizations; row-level security is the database's half (`walls.py`).

A transaction is opened for one organization (`within`) or, for the few reviewed cases, for all of them
(`across_organizations`). The database then shows only those rows. A queryset on an organization's table refuses to
run unless it names its organization **and** stands inside such a block, because outside it the database would
answer with a silently empty result.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, Self, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import sql

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=models.Model, covariant=True)


class UnscopedQuery(RuntimeError):
    """A query on an organization's table does not say whose rows it wants, or runs outside `within`."""


class ScopeConflict(RuntimeError):
    """A block asks for more than the block around it allows: scopes nest by narrowing only."""


class HasOrganizationKey(Protocol):
    """An Organization or an OrganizationRef."""

    @property
    def pk(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose rows: one organization's, or everybody's (`organization_id` is None)."""

    organization_id: UUID | None

    def covers(self, other: "Reach") -> bool:
        return self.organization_id is None or self.organization_id == other.organization_id


EVERYBODY: Final = Reach(None)


# --- the blocks -------------------------------------------------------------------------------------------------------


@contextmanager
def within(organization: HasOrganizationKey | UUID, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Hold one transaction to one organization's rows.

    Wrap one synchronous service call: never a whole request, never a call to another host.
    Raises `ScopeConflict` inside another organization's block.
    """
    key = organization if isinstance(organization, UUID) else organization.pk
    with _reaching(Reach(key), role="none", setting=str(key), using=using):
        yield


@contextmanager
def across_organizations(*, reason: str, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Open one transaction to every organization's rows, for `reason`.

    Every use is listed in `tests/architecture/test_scoping.py`; a new one is a review topic.
    Raises `ScopeConflict` inside `within`.
    """
    logger.debug("Crossing organizations", extra={"reason": reason})
    with _reaching(EVERYBODY, role=settings.DATABASE_ACROSS_ROLE, setting="", using=using):
        yield


def current_reach(using: str = DEFAULT_DB_ALIAS) -> Reach | None:
    """Tell whose rows the running block may touch; None outside every block."""
    return getattr(connections[using], "skillport_reach", None)


@contextmanager
def _reaching(reach: Reach, *, role: str, setting: str, using: str) -> Iterator[None]:
    connection = connections[using]
    around = current_reach(using)
    if around is not None and not around.covers(reach):
        raise ScopeConflict(
            "A block for one organization may not open a wider one or another organization's."
        )
    nested = connection.in_atomic_block
    with transaction.atomic(using=using):
        before = _exchange(connection, role, setting) if around != reach else None
        connection.skillport_reach = reach  # type: ignore[attr-defined]
        try:
            yield
        finally:
            connection.skillport_reach = around  # type: ignore[attr-defined]
        # After an error the rolled-back transaction or savepoint restores both settings; COMMIT of the outermost
        # transaction forgets them. Only a block that ends well inside a longer transaction has to put them back.
        if nested and before is not None:
            _exchange(connection, *before)


def _exchange(connection: "BaseDatabaseWrapper", role: str, setting: str) -> tuple[str, str]:
    """Set the transaction's role and organization, and give those that were in force."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('role'), coalesce(current_setting('skillport.organization', true), ''),"
            " set_config('role', %s, true), set_config('skillport.organization', %s, true)",
            [role, setting],
        )
        row = cursor.fetchone()
    return row[0], row[1]


# --- the refusing queryset --------------------------------------------------------------------------------------------


class ScopedQuery(sql.Query):
    """A query that is compiled only when it names whose rows it wants and the running block allows them.

    Compilation is the one point that lists, aggregates, `exists`, `explain`, unions and subqueries all pass.
    """

    reach: Reach | None = (
        None  # an instance attribute once set, so that Django's own cloning carries it along
    )

    def get_compiler(
        self,
        using: str | None = None,
        connection: "BaseDatabaseWrapper | None" = None,
        elide_empty: bool = True,  # noqa: FBT001, FBT002 Django's signature
    ) -> "SQLCompiler":
        if not self.is_empty():
            refuse_unless_allowed(self, using or (connection.alias if connection else DEFAULT_DB_ALIAS))
        compiler: SQLCompiler = super().get_compiler(using, connection, elide_empty)
        return compiler

    def combine(self, rhs: sql.Query, connector: str) -> None:
        """Join two queries by `|` or `&`: an unscoped side would widen the other unseen."""
        if self.reach is None or getattr(rhs, "reach", None) != self.reach:
            raise UnscopedQuery(
                f"Both sides of {connector} on {_name(self)} must name the same organization."
            )
        super().combine(rhs, connector)


def refuse_unless_allowed(query: ScopedQuery, using: str) -> None:
    """Raise `UnscopedQuery` unless `query` names its organization and the running block allows that one."""
    if query.reach is None:
        raise UnscopedQuery(f"Call for_organization() before reading {_name(query)}.")
    block = current_reach(using)
    if block is None:
        raise UnscopedQuery(f"Read {_name(query)} inside within(): outside it the database shows no rows.")
    if not block.covers(query.reach):
        raise UnscopedQuery(f"This block does not reach the organization that {_name(query)} was asked for.")


def _name(query: sql.Query) -> str:
    return query.model.__name__ if query.model else "this table"


class ScopedQuerySet(models.QuerySet[M]):
    """A queryset on an organization's table. Say whose rows first; then everything of Django's works."""

    query: ScopedQuery

    def __init__(
        self,
        model: type[M] | None = None,
        query: sql.Query | None = None,
        using: str | None = None,
        hints: dict[str, models.Model] | None = None,
    ) -> None:
        scoped = query if query is not None or model is None else ScopedQuery(model)
        super().__init__(model, scoped, using, hints)
        self._adopt(hints or {})

    def for_organization(self, organization: HasOrganizationKey | UUID) -> Self:
        """Keep the rows of one organization. Runs only inside `within` that organization, or across them all."""
        key = organization if isinstance(organization, UUID) else organization.pk
        narrowed = self.filter(organization_id=key)
        narrowed.query.reach = Reach(key)
        return narrowed

    def all_organizations(self) -> Self:
        """Keep every organization's rows. Runs only inside `across_organizations`."""
        widened = self._chain()  # type: ignore[attr-defined]
        widened.query.reach = EVERYBODY
        return widened  # type: ignore[no-any-return]

    def update(self, **kwargs: Any) -> int:
        refuse_unless_allowed(self.query, self.db)
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        refuse_unless_allowed(self.query, self.db)
        return super().delete()

    def raw(self, *_: Any, **__: Any) -> NoReturn:
        raise UnscopedQuery("raw() cannot be scoped; write the statement in a queryset method with a cursor.")

    def extra(self, *_: Any, **__: Any) -> NoReturn:
        raise UnscopedQuery("extra() cannot be scoped; use an expression.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model.__name__}>"  # never runs a query from a log line or debugger

    def _add_hints(self, **hints: models.Model) -> None:
        super()._add_hints(**hints)  # type: ignore[misc]
        self._adopt(hints)

    def _adopt(self, hints: dict[str, models.Model]) -> None:
        """Let a relation from an owned row, or from the organization itself, carry that row's organization.

        A relation from anything else (`user.memberships`) would cross organizations, so it stays unscoped.
        """
        origin = hints.get("instance")
        if isinstance(origin, OrganizationOwned):
            self.query.reach = Reach(origin.organization_id)
        elif origin is not None and origin._meta.label == "organizations.Organization":
            self.query.reach = Reach(origin.pk)


class OrganizationOwned(models.Model):
    """A row that belongs to one organization. Its table stands behind both walls."""

    organization = models.ForeignKey("organizations.Organization", models.CASCADE, related_name="+")
    organization_id: UUID

    objects = ScopedQuerySet.as_manager()

    class Meta:
        abstract = True
