"""Every organization's table stands behind row-level security; every other table has a reason not to."""

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import ManyToOneRel

from skillport.scoping import OrganizationOwned

WALLED = {
    "audit_auditevent",
    "connector_apikey",
    "connector_bundle",
    "connector_installtoken",
    "marketplaces_accessrule",
    "marketplaces_blob",
    "marketplaces_externalcredential",
    "marketplaces_externalfile",
    "marketplaces_externalsource",
    "marketplaces_externaluse",
    "marketplaces_marketplace",
    "marketplaces_plugin",
    "marketplaces_pluginlisting",
    "marketplaces_quota",
    "marketplaces_release",
    "marketplaces_releasefile",
    "marketplaces_skill",
    "marketplaces_skilllisting",
    "marketplaces_snapshot",
    "marketplaces_subject",
    "marketplaces_syncfinding",
    "marketplaces_syncrun",
    "marketplaces_versionentry",
    "marketplaces_webhook",
    "organizations_admissionrule",
    "organizations_group",
    "organizations_groupmember",
    "organizations_invitation",
    "organizations_joinrequest",
    "organizations_membership",
    "organizations_signinconnection",
    "organizations_verifieddomain",
}
NOT_WALLED = {
    "accounts_user": "a person may belong to several organizations",
    "accounts_identity": "how a provider knows a person, whatever they belong to",
    "accounts_session": "a browser's, before and whatever organization it visits; holds only digests",
    "account_emailaddress": "allauth's, unused: an address is never an identity",
    "account_emailconfirmation": "allauth's, unused",
    "mfa_authenticator": "a local account's second factors, sealed",
    "socialaccount_socialaccount": "allauth's, unused: identities are ours",
    "socialaccount_socialapp": "allauth's, unused: clients and their secrets are sealed in organizations' rows",
    "socialaccount_socialtoken": "allauth's, unused: no provider's token is kept",
    "organizations_organization": "has to be found before anybody is inside it; holds nothing but name and slug",
    "auth_group": "Django's own, unused",
    "auth_group_permissions": "Django's own, unused",
    "auth_permission": "Django's own, unused",
    "skillport_cache": "failed sign-ins, by digest of the name or by address; gone within minutes",
    "django_content_type": "Django's list of models",
    "django_migrations": "Django's list of migrations",
}
# Functions that read across organizations for a caller who is not inside one yet.
CROSSING_FUNCTIONS = {
    "principal_of",
    "principal_of_session",
    "forget_audit_of_closed",
    "forget_person_in_audit",
}


def rows(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[object, ...]] = cursor.fetchall()
        return found


def test_every_table_is_in_one_of_the_two_lists(db: None) -> None:
    tables = {name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert tables == WALLED | NOT_WALLED.keys()


def test_every_owned_model_is_walled_and_no_other_has_an_organization(db: None) -> None:
    owned = {model._meta.db_table for model in apps.get_models() if issubclass(model, OrganizationOwned)}
    assert owned == WALLED
    with_column = rows(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'organization_id'"
    )
    assert {name for (name,) in with_column} == WALLED


def test_row_level_security_is_on_and_forced(db: None) -> None:
    secured = rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity AND relforcerowsecurity"
        " AND relnamespace = 'public'::regnamespace"
    )
    assert {name for (name,) in secured} == WALLED


# As PostgreSQL writes it back. Whoever widens it has to write the new meaning down here.
MINE = "(organization_id = (NULLIF(current_setting('skillport.organization'::text, true), ''::text))::uuid)"


def test_every_policy_is_literally_one_of_two(db: None) -> None:
    found = rows(
        "SELECT tablename, policyname, permissive, array_to_string(roles, ','), cmd, qual, with_check FROM pg_policies"
    )
    across = settings.DATABASE_ACROSS_ROLE
    own = {(table, "organization", "PERMISSIVE", "public", "ALL", MINE, MINE) for table in WALLED}
    everything = {(table, "everything", "PERMISSIVE", across, "ALL", "true", "true") for table in WALLED}
    assert set(found) == own | everything
    assert len(found) == 2 * len(WALLED)


def test_without_a_scope_every_walled_table_is_empty(cast: object) -> None:
    for table in sorted(WALLED):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_no_view_and_no_unlisted_function_reads_past_the_walls(db: None) -> None:
    assert rows("SELECT viewname FROM pg_views WHERE schemaname = 'public'") == []
    definers = rows("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    assert {name for (name,) in definers} == CROSSING_FUNCTIONS
    unpinned = rows(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        " AND NOT ('search_path=pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}')))"
    )
    assert unpinned == []


def test_every_pointer_between_owned_rows_is_a_composite_key(db: None) -> None:
    """A foreign key from an owned table to an owned table must carry the organization on both sides."""
    keys = rows(
        """
        SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
               (SELECT array_agg(a.attname::text) FROM pg_attribute a
                WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey))
        FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
        """
    )
    between = [(source, columns) for source, target, columns in keys if source in WALLED and target in WALLED]
    assert [one for one in between if "organization_id" not in one[1]] == []  # type: ignore[operator]
    kept = {(source, column) for source, columns in between for column in columns}  # type: ignore[attr-defined]
    pointers = {
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if issubclass(model, OrganizationOwned)
        and isinstance(field.remote_field, ManyToOneRel)
        and issubclass(field.remote_field.model, OrganizationOwned)
    }
    assert pointers <= kept, "each such field has its SameOrganization constraint"


def test_owned_models_have_no_hidden_tables(db: None) -> None:
    """An implicit many-to-many or a parent's table would have no organization and stand outside the walls."""
    for model in apps.get_models():
        if issubclass(model, OrganizationOwned):
            assert not model._meta.many_to_many
            assert not model._meta.parents
