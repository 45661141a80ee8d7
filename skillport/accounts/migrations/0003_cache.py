from django.db import migrations


class Migration(migrations.Migration):
    """Django's own table for its cache, made here because its command has no place among migrations.

    Not logged: what it holds matters for minutes, and is empty again after PostgreSQL was killed.
    """

    dependencies = [("accounts", "0002_identities_and_sessions")]
    operations = [
        migrations.RunSQL(
            """
            CREATE UNLOGGED TABLE skillport_cache (
                cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL
            );
            CREATE INDEX skillport_cache_expires ON skillport_cache (expires);
            """,
            "DROP TABLE skillport_cache;",
        )
    ]
