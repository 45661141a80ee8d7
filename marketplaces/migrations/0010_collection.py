"""What collection needs to know: until when a snapshot was served, and since when a release has no files; and quotas."""

import django.db.models.deletion
from django.db import migrations, models

from skillport.walls import wall

# Until now it was not written down: a snapshot was served until the next one was imported.
_SINCE_THE_NEXT = """
    UPDATE marketplaces_snapshot s
    SET served_until = coalesce(
        (SELECT min(n.imported_at) FROM marketplaces_snapshot n
         WHERE n.marketplace_id = s.marketplace_id AND n.number > s.number),
        now())
    FROM marketplaces_marketplace m
    WHERE m.id = s.marketplace_id AND m.current_snapshot_id IS DISTINCT FROM s.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0007_what_let_a_member_in"),
        ("marketplaces", "0009_history"),
    ]

    operations = [
        migrations.AddField("release", "collected_at", models.DateTimeField(null=True)),
        migrations.AddField("snapshot", "served_until", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "blob",
            models.Index(fields=["organization"], include=["size_bytes"], name="blob_sizes"),
        ),
        migrations.CreateModel(
            name="Quota",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stored_bytes", models.PositiveBigIntegerField(null=True)),
                ("marketplaces", models.PositiveIntegerField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="organizations.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization",), name="quota_of_organization")
                ],
            },
        ),
        wall("marketplaces_quota"),
        migrations.RunSQL(_SINCE_THE_NEXT, migrations.RunSQL.noop),
    ]
