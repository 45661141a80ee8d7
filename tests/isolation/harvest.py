"""Every id, name and digest that the first organization has, by shape: what a stranger may try."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import Model

from skillport.accounts.models import User
from skillport.organizations.models import Organization
from skillport.scoping import OrganizationOwned, within
from tests.isolation.canaries import owned_models

_LONGEST = 100  # what does not fit into an address is no name

Shape = type[UUID] | type[int] | type[str]

_UNNAMED = {
    "organization_id",
    "password",
    "session_data",
    "data",
}  # who sees one of these needs no id any more


@dataclass(frozen=True)
class Found:
    """One value, and what columns and tables call it: `membership_id`, `invited_by_id`; `release.digest`."""

    value: UUID | int | str
    names: frozenset[str]

    def is_a(self, name: str) -> bool:
        """Tell whether something calls it so: `rule_id` is an admission rule's id, and `sync_run_id` a SyncRun's."""
        plain = name.replace("_", "")
        return any(one.replace("_", "").endswith(plain) for one in self.names)


def harvest(organization: Organization, people: Iterable[UUID]) -> list[Found]:
    """Give the values of an organization's rows, and of its people's: UUIDs, whole numbers and texts, each once."""
    users = User.objects.filter(pk__in=list(people))
    with within(organization):
        owned: list[Any] = [model.objects.for_organization(organization) for model in owned_models()]
        persons: list[Any] = [
            users,
            *(model._default_manager.filter(user__in=users) for model in _of_people()),
        ]
        rows = [(some.model._meta.model_name, row) for some in owned + persons for row in some.values()]
    names: defaultdict[UUID | int | str, set[str]] = defaultdict(set)
    for table, row in rows:
        for name, value in _values(table, row):
            names[value].add(name)
    return [Found(value, frozenset(called)) for value, called in names.items()]


def _values(table: str, row: dict[str, Any]) -> Iterator[tuple[str, UUID | int | str]]:
    for column, value in row.items():
        name = f"{table}_id" if column == "id" else column
        if column in _UNNAMED or isinstance(value, bool):
            continue
        if isinstance(value, UUID) or (isinstance(value, int) and name.endswith(("_id", "number"))):
            yield name, value
            if name == "number":  # an address may name two of them, each in its own way
                yield from (("older", value), ("newer", value))
        elif isinstance(value, bytes | memoryview) and 16 <= len(value) <= 64:
            yield f"{table}.{column}", bytes(value).hex()
        elif isinstance(value, str) and 2 <= len(value) <= _LONGEST:
            yield f"{table}.{column}", value


def _of_people() -> list[type[Model]]:
    """Give every table of what people have outside any organization: identities, sessions, second factors."""
    return [
        model
        for model in apps.get_models()
        if not issubclass(model, OrganizationOwned)
        and any(field.name == "user" and field.related_model is User for field in model._meta.concrete_fields)
    ]


def some_of(values: Sequence[Found], most: int) -> list[Found]:
    """Give so many ids and so many texts, of as many columns as there are."""
    chosen: list[Found] = []
    for shape in (UUID, str):
        fitting = [one for one in values if type(one.value) is shape]
        by_column = {min(one.names): one for one in fitting}
        first = list(by_column.values())
        chosen += [*first, *(one for one in fitting if one not in first)][:most]
    return chosen


def empty_tables(organization: Organization) -> list[str]:
    """Give the organization's tables in which it has no row: nothing could leak from them."""
    with within(organization):
        return [
            model._meta.db_table
            for model in owned_models()
            if not model.objects.for_organization(organization).exists()
        ]


# What anybody may change by design: that a delivery without a right signature came, at most once a minute.
_NOTED_OF_STRANGERS: Final = {"marketplaces_webhook": ("last_refusal_at", "last_refusal_reason")}


def fingerprint(organization: Organization) -> dict[str, str]:
    """Give a digest of all that the organization has, by table: equal when nobody has changed anything."""
    with within(organization), connection.cursor() as cursor:
        told = {}
        for model in owned_models():
            table = model._meta.db_table
            without = "".join(f" - '{column}'" for column in _NOTED_OF_STRANGERS.get(table, ()))
            row = f"(to_jsonb(row){without})::text"
            cursor.execute(f"SELECT md5(string_agg(md5({row}), '' ORDER BY md5({row}))) FROM {table} AS row")
            told[table] = cursor.fetchone()[0]
        return told
