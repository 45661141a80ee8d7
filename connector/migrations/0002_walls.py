from django.db import migrations

from skillport.walls import crossing_function, wall

# A bearer string is looked up before its organization is known. The address's slug is part of the question, so that
# another organization's key misses in the same statement and takes the same time as one that never existed.
PRINCIPAL_OF = crossing_function(
    name="principal_of",
    arguments="credential bytea, slug text",
    returns="""TABLE (
        organization_id uuid, organization_slug text, organization_name text, membership_id uuid, user_id uuid,
        email text, name text, role text, scopes text[]
    )""",
    body="""
        SELECT o.id, o.slug, o.name, m.id, u.id, u.email, u.name, m.role, k.scopes
        FROM public.connector_apikey k
        JOIN public.organizations_membership m ON m.id = k.membership_id AND m.organization_id = k.organization_id
        JOIN public.organizations_organization o ON o.id = k.organization_id
        JOIN public.accounts_user u ON u.id = m.user_id
        WHERE k.digest = $1 AND o.slug = $2
          AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
          AND m.ended_at IS NULL AND u.is_active
    """,
)


class Migration(migrations.Migration):
    dependencies = [
        ("connector", "0001_initial"),
        ("organizations", "0002_walls"),
        ("accounts", "0001_initial"),
    ]
    operations = [
        wall("connector_apikey"),
        wall("connector_installtoken"),
        wall("connector_bundle"),
        PRINCIPAL_OF,
    ]
