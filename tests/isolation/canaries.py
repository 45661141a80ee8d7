"""Marks that show where something came from: in every text of the first organization, wherever it is stored.

A new column joins by itself. A column that cannot hold a canary is in `KEPT` with its reason.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

import psycopg
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from psycopg import sql

from skillport.organizations.models import Organization
from skillport.scoping import OrganizationOwned

CANARY: Final = "kanarienvogel"
HIDDEN: Final = "zaunkoenig"  # beside the canary, in what a rule hides from a member
SECRET: Final = "nachtigall-and-nobody-may-hear-it"  # in what is stored sealed

_SHORTEST: Final = 60  # a column shorter than this cannot hold a canary with a row's id
KEPT: Final = {
    "audit_auditevent.actor": "compared with a user's id",
    "audit_auditevent.target": "holds the kind and the id of what an event is about",
    "audit_auditevent.action": "a word of a list",
    "marketplaces_marketplace.slug": "the same in both organizations, so that looking one up by name would find either",
    "marketplaces_plugin.name": "the same in both organizations",
    "marketplaces_skill.name": "the same in both organizations",
    "marketplaces_skilllisting.folder": "the same in both organizations",
    "marketplaces_pluginlisting.root": "the same in both organizations",
    "marketplaces_releasefile.path": "the same in both organizations",
    "marketplaces_skilllisting.version": "the same in both organizations",
    "marketplaces_pluginlisting.version": "the same in both organizations",
    "marketplaces_versionentry.author_version": "the same in both organizations",
    "marketplaces_blob.git_id": "an id of git's",
    "marketplaces_snapshot.commit": "an id of git's",
    "marketplaces_syncrun.commit": "an id of git's",
    "marketplaces_syncrun.leased_by": "compared with a worker's name",
    "organizations_group.name": "the same in both organizations",
    "organizations_membership.begun_in_session": "compared with a session's digest",
    "organizations_signinconnection.issuer": "shown to whoever signs in there",
    "organizations_signinconnection.client_id": "shown to whoever signs in there",
    "organizations_verifieddomain.challenge": "public in the DNS",
}


def put_canaries(organization: Organization, people: Iterable[UUID]) -> None:
    """Write canaries into every text of the organization and of its people, past the application, as the owner role."""
    assert settings.DATABASE_OWNER_URL is not None
    url, name = settings.DATABASE_OWNER_URL.get_secret_value(), connection.settings_dict["NAME"]
    with psycopg.connect(url, dbname=name) as owner:
        for table, column, field in text_columns():
            owner.execute(_statement(table, column, field), [organization.pk])
        owner.execute(
            "UPDATE accounts_user SET name = %(canary)s::text, email = %(canary)s::text || '@anvil.example' WHERE id = ANY(%(people)s)",
            {"canary": CANARY, "people": list(people)},
        )
        owner.execute(
            "UPDATE accounts_identity SET directory_id = %s WHERE user_id = ANY(%s)", [CANARY, list(people)]
        )
        owner.execute(
            "UPDATE organizations_organization SET name = %s WHERE id = %s",
            [f"Anvil {CANARY}", organization.pk],
        )


def text_columns() -> Iterator[tuple[str, str, Any]]:
    """Give every column of an organization's tables that holds text, and is not one of `KEPT`."""
    for model in owned_models():
        for field in model._meta.concrete_fields:
            place = f"{model._meta.db_table}.{field.column}"
            assert field.column
            if place not in KEPT and (_is_text(field) or isinstance(field, models.JSONField)):
                yield model._meta.db_table, field.column, field


def owned_models() -> list[type[OrganizationOwned]]:
    return [model for model in apps.get_models() if issubclass(model, OrganizationOwned)]


def _is_text(field: Any) -> bool:
    is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
    return is_text and not isinstance(field, ArrayField) and (field.max_length or _SHORTEST) >= _SHORTEST


def _statement(table: str, column: str, field: Any) -> sql.Composed:
    """Give the UPDATE. An id makes each value one of its own; what is empty by a rule of the table stays so."""
    names = {"table": sql.Identifier(table), "column": sql.Identifier(column), "canary": sql.Literal(CANARY)}
    if isinstance(field, models.JSONField):
        change = "{column} = {column} || jsonb_build_object('canary', {canary}) WHERE jsonb_typeof({column}) = 'object'"
    elif isinstance(field, models.EmailField):
        change = "{column} = {canary} || '.' || id || '@anvil.example' WHERE {column} <> ''"
    else:
        change = "{column} = {canary} || '-' || id WHERE {column} <> ''"
    return sql.SQL("UPDATE {table} SET " + change + " AND organization_id = %s").format(**names)
