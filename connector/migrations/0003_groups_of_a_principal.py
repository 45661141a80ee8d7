from importlib import import_module

from django.db import migrations

from skillport.walls import crossing_function

BEFORE = import_module("connector.migrations.0002_walls").PRINCIPAL_OF
# As before, and also: the member's groups; nothing for an organization that is being deleted.
PRINCIPAL_OF = crossing_function(
    name="principal_of",
    arguments="credential bytea, slug text",
    returns="""TABLE (
        organization_id uuid, organization_slug text, organization_name text, membership_id uuid, user_id uuid,
        email text, name text, role text, groups uuid[], scopes text[], confirmed_at timestamptz
    )""",
    body="""
        SELECT o.id, o.slug, o.name, m.id, u.id, u.email, u.name, m.role,
               ARRAY(SELECT g.group_id FROM public.organizations_groupmember g
                     WHERE g.organization_id = o.id AND g.membership_id = m.id),
               k.scopes, NULL::timestamptz
        FROM public.connector_apikey k
        JOIN public.organizations_membership m ON m.id = k.membership_id AND m.organization_id = k.organization_id
        JOIN public.organizations_organization o ON o.id = k.organization_id
        JOIN public.accounts_user u ON u.id = m.user_id
        WHERE k.digest = $1 AND o.slug = $2
          AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
          AND m.ended_at IS NULL AND u.is_active AND o.closing_at IS NULL AND o.closed_at IS NULL
    """,
)


class Migration(migrations.Migration):
    dependencies = [("connector", "0002_walls"), ("organizations", "0004_walls_of_sign_in")]
    operations = [
        migrations.RunSQL(BEFORE.reverse_sql, BEFORE.sql),
        PRINCIPAL_OF,
    ]
