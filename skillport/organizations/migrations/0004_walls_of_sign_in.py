from django.db import migrations

from skillport.walls import crossing_function, wall

# A session is looked up before anybody is inside the organization that the address names. It counts there only while
# all of this holds; each line is a way in that somebody could try (`tests/skillport/organizations/test_session_principal.py`).
PRINCIPAL_OF_SESSION = crossing_function(
    name="principal_of_session",
    arguments="session_digest text, slug text, methods text[]",
    returns="""TABLE (
        organization_id uuid, organization_slug text, organization_name text, membership_id uuid, user_id uuid,
        email text, name text, role text, groups uuid[], scopes text[], confirmed_at timestamptz
    )""",
    body="""
        SELECT o.id, o.slug, o.name, m.id, u.id, u.email, u.name, m.role,
               ARRAY(SELECT g.group_id FROM public.organizations_groupmember g
                     WHERE g.organization_id = o.id AND g.membership_id = m.id),
               ARRAY[]::text[], s.confirmed_at
        FROM public.accounts_session s
        JOIN public.accounts_user u ON u.id = s.user_id
        JOIN public.organizations_membership m ON m.user_id = u.id
        JOIN public.organizations_organization o ON o.id = m.organization_id
        WHERE s.session_key = $1 AND o.slug = $2
          AND s.expire_date > now()
          AND s.authenticated_at > now() - o.session_hours * interval '1 hour'
          AND u.is_active AND m.ended_at IS NULL AND o.closed_at IS NULL
          AND (o.closing_at IS NULL OR m.role = 'owner')
          AND (s.authenticated_at >= m.began_at OR m.begun_in_session = s.session_key)
          AND s.method = ANY ($3)
          AND CASE s.method
                WHEN 'local' THEN o.local_accounts
                WHEN 'demo' THEN true
                WHEN 'google' THEN EXISTS (
                    SELECT FROM public.organizations_signinconnection c
                    WHERE c.organization_id = o.id AND c.kind = 'google' AND c.enabled)
                WHEN 'connection' THEN EXISTS (
                    SELECT FROM public.organizations_signinconnection c
                    WHERE c.organization_id = o.id AND c.id = s.connection_id AND c.enabled)
                ELSE false
              END
    """,
)


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0003_people_and_sign_in"),
        ("accounts", "0002_identities_and_sessions"),
    ]
    operations = [
        wall("organizations_admissionrule"),
        wall("organizations_group"),
        wall("organizations_groupmember"),
        wall("organizations_invitation"),
        wall("organizations_joinrequest"),
        wall("organizations_signinconnection"),
        wall("organizations_verifieddomain"),
        PRINCIPAL_OF_SESSION,
    ]
