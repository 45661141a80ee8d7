from django.db import migrations

from skillport.walls import owner_function

# The audit log is append-only for the application. Two promises go further: a deleted organization leaves nothing
# behind, and an erased person no name. Both conditions stand in the statement itself.
FORGET_AUDIT_OF_CLOSED = owner_function(
    name="forget_audit_of_closed",
    arguments="organization uuid",
    body="""
        DELETE FROM public.audit_auditevent e USING public.organizations_organization o
        WHERE o.id = $1 AND o.closed_at IS NOT NULL AND e.organization_id = o.id
    """,
)
FORGET_PERSON_IN_AUDIT = owner_function(
    name="forget_person_in_audit",
    arguments="person uuid, targets text[]",
    body="""
        UPDATE public.audit_auditevent e
        SET actor_name = CASE WHEN e.actor = 'user:' || $1 THEN 'an erased person' ELSE e.actor_name END,
            target_name = CASE WHEN e.target = ANY ($2) THEN 'an erased person' ELSE e.target_name END
        FROM public.accounts_user u
        WHERE u.id = $1 AND u.erased_at IS NOT NULL
          AND (e.actor = 'user:' || $1 OR e.target = ANY ($2))
    """,
)


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0004_walls_of_sign_in"),
        ("accounts", "0002_identities_and_sessions"),
        ("audit", "0002_walls"),
    ]
    operations = [FORGET_AUDIT_OF_CLOSED, FORGET_PERSON_IN_AUDIT]
