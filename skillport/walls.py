"""What migrations need to build the database's half of the wall: policies, grants, composite foreign keys.

Evidence for each decision here: `docs/adr/0002-two-walls.md`.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.backends.ddl_references import Statement, Table
from django.db.models.constraints import BaseConstraint
from django.db.models.expressions import Combinable


def wall(table: str) -> migrations.RunSQL:
    """Put `table` (which has `organization_id`) behind row-level security.

    Two policies instead of one with OR: the OR makes the planner forget the index. `nullif` because the setting is
    '' rather than NULL once a transaction on the same connection has used it. FORCE binds the owner too.
    """
    mine = "organization_id = nullif(current_setting('skillport.organization', true), '')::uuid"
    return migrations.RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY organization ON {table} USING ({mine}) WITH CHECK ({mine});
        CREATE POLICY everything ON {table} TO {settings.DATABASE_ACROSS_ROLE} USING (true) WITH CHECK (true);
        """,
        f"""
        DROP POLICY everything ON {table};
        DROP POLICY organization ON {table};
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


def grants() -> migrations.RunSQL:
    """Let the application and the crossing role use every table that the owner has made or will make."""
    roles = f"{settings.DATABASE_APP_ROLE}, {settings.DATABASE_ACROSS_ROLE}"
    rows, counters = "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"
    return migrations.RunSQL(
        f"""
        GRANT USAGE ON SCHEMA public TO {roles};
        GRANT {rows} ON ALL TABLES IN SCHEMA public TO {roles};
        GRANT {counters} ON ALL SEQUENCES IN SCHEMA public TO {roles};
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rows} ON TABLES TO {roles};
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {counters} ON SEQUENCES TO {roles};
        """,
        migrations.RunSQL.noop,
    )


def append_only(table: str) -> migrations.RunSQL:
    """Let the application add rows to `table` and read them, and nothing else."""
    roles = f"{settings.DATABASE_APP_ROLE}, {settings.DATABASE_ACROSS_ROLE}"
    return migrations.RunSQL(
        f"REVOKE UPDATE, DELETE ON {table} FROM {roles};", f"GRANT UPDATE, DELETE ON {table} TO {roles};"
    )


def crossing_function(*, name: str, arguments: str, returns: str, body: str) -> migrations.RunSQL:
    """Create a SQL function that reads across organizations for a caller who is not yet inside one.

    It belongs to the crossing role, because under FORCE even the owner would see no rows. `body` is one SELECT with
    schema-qualified names, bound when the function is made, so that no search path can redirect it.
    """
    across, signature = settings.DATABASE_ACROSS_ROLE, f"{name}({arguments})"
    return migrations.RunSQL(
        f"""
        GRANT CREATE ON SCHEMA public TO {across};
        CREATE FUNCTION {signature} RETURNS {returns}
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            BEGIN ATOMIC {body}; END;
        ALTER FUNCTION {signature} OWNER TO {across};
        REVOKE CREATE ON SCHEMA public FROM {across};
        REVOKE ALL ON FUNCTION {signature} FROM public;
        GRANT EXECUTE ON FUNCTION {signature} TO {settings.DATABASE_APP_ROLE};
        """,
        f"DROP FUNCTION {signature};",
    )


def owner_function(*, name: str, arguments: str, body: str) -> migrations.RunSQL:
    """Create a SQL function that does one thing to rows which the application may only add to and read.

    It runs as the owner of the tables, who as a member of the crossing role sees every row. `body` is one statement
    that itself says under which condition it does anything.
    """
    signature = f"{name}({arguments})"
    return migrations.RunSQL(
        f"""
        CREATE FUNCTION {signature} RETURNS void
            LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            BEGIN ATOMIC {body}; END;
        REVOKE ALL ON FUNCTION {signature} FROM public;
        GRANT EXECUTE ON FUNCTION {signature} TO {settings.DATABASE_APP_ROLE}, {settings.DATABASE_ACROSS_ROLE};
        """,
        f"DROP FUNCTION {signature};",
    )


class SameOrganization(BaseConstraint):
    """A composite foreign key (organization_id, <field>_id) → (organization_id, id), which Django cannot express.

    With it a row cannot point at another organization's row, whatever the code does. `through` adds pairs of
    (own column, parent's column); the parent needs a unique constraint over the same columns. The field itself is
    declared with `db_constraint=False`. `deferrable=False` checks at once, and makes a concurrent DELETE of the
    parent wait for this row's transaction.
    """

    def __init__(
        self,
        *,
        field: str,
        name: str,
        through: Sequence[tuple[str, str]] = (),
        deferrable: bool = True,
        violation_error_code: str | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        self.field = field
        self.through = tuple((own, parents) for own, parents in through)
        self.deferrable = deferrable
        super().__init__(
            name=name,
            violation_error_code=violation_error_code,
            violation_error_message=violation_error_message,
        )

    # The stubs promise text; Django takes a Statement, or None where the statement was deferred.
    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """Add the constraint at the end of the migration, when every unique constraint it needs exists."""
        field: Any = model._meta.get_field(self.field)
        quote = schema_editor.quote_name
        pairs = [("organization_id", "organization_id"), *self.through, (field.column, "id")]
        own = ", ".join(quote(column) for column, _ in pairs)
        parents = ", ".join(quote(column) for _, column in pairs)
        target = quote(field.remote_field.model._meta.db_table)
        when = "DEFERRABLE INITIALLY DEFERRED" if self.deferrable else "NOT DEFERRABLE"
        schema_editor.deferred_sql.append(
            Statement(
                "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s "
                f"FOREIGN KEY ({own}) REFERENCES {target} ({parents}) {when}",
                table=Table(model._meta.db_table, quote),
                name=quote(self.name),
            )
        )

    constraint_sql = create_sql  # the same inside CREATE TABLE

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=Table(model._meta.db_table, schema_editor.quote_name),
            name=schema_editor.quote_name(self.name),
        )

    def validate(
        self,
        model: type[models.Model],
        instance: models.Model,
        exclude: Sequence[str] | set[str] | None = None,
        using: str = "default",
    ) -> None:
        """Leave the decision to the database."""

    def deconstruct(self) -> tuple[str, Sequence[Combinable], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        kwargs["field"] = self.field
        if self.through:
            kwargs["through"] = self.through
        if not self.deferrable:
            kwargs["deferrable"] = False
        return path, args, kwargs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameOrganization) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.name, self.field, self.through, self.deferrable))
