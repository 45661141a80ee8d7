"""Migrations run as the real owner, which row-level security binds too: it has to see every row all the same."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import IntegrityError, connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from marketplaces.models import AccessRule, Marketplace
from skillport.owner import as_owner
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.conftest import owner_connection


@pytest.fixture
def both(transactional_db: None) -> Cast:
    cast = make_cast()
    for organization in (cast.acme, cast.globex):
        with within(organization):
            Marketplace.objects.create(organization=organization, slug="skills", url="https://git.example/x")
    return cast


def test_a_data_migration_changes_every_organizations_rows(both: Cast) -> None:
    def change(apps: Any, schema_editor: Any) -> None:
        apps.get_model("marketplaces", "Marketplace").objects.update(branch="migrated")

    operation = migrations.RunPython(change)
    with as_owner(), connection.schema_editor() as editor:
        state = _state()
        operation.database_forwards("marketplaces", editor, state, state)
    for organization in (both.acme, both.globex):
        with within(organization):
            assert Marketplace.objects.for_organization(organization).get().branch == "migrated"


def test_the_same_statement_changes_nothing_without_the_crossing_role(both: Cast) -> None:
    """The twin: this is what the owner's membership in the crossing role is for."""
    with owner_connection() as owner:
        owner.execute("SET LOCAL row_security = on")
        assert owner.execute("UPDATE marketplaces_marketplace SET branch = 'x'").rowcount == 2
    with connection.cursor() as cursor:
        cursor.execute("UPDATE marketplaces_marketplace SET branch = 'x'")
        assert cursor.rowcount == 0, "the application role is not inside anybody's block"


def test_a_migration_that_adds_a_key_over_a_wrong_row_fails(both: Cast) -> None:
    constraint = next(one for one in AccessRule._meta.constraints if one.name == "access_rule_marketplace")
    with within(both.globex):
        theirs = Marketplace.objects.for_organization(both.globex).get().pk
    with as_owner(), connection.schema_editor() as editor:
        editor.remove_constraint(AccessRule, constraint)
    try:
        with within(both.acme):
            AccessRule.objects.for_organization(both.acme).update(marketplace_id=theirs)
        with pytest.raises(IntegrityError), as_owner(), connection.schema_editor() as editor:
            editor.add_constraint(AccessRule, constraint)
            editor.execute(editor.deferred_sql.pop())
    finally:
        with within(both.acme):
            AccessRule.objects.for_organization(both.acme).update(marketplace_id=None)
        with as_owner(), connection.schema_editor() as editor:
            editor.add_constraint(AccessRule, constraint)


def test_migrate_says_what_is_missing_without_an_owner(settings: Any) -> None:
    settings.DATABASE_OWNER_URL = None
    with pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL"), as_owner():
        pass


def _state() -> ProjectState:
    return MigrationLoader(connection).project_state()


def test_every_model_has_its_migration(db: None) -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
