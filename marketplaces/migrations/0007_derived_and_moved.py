from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketplaces", "0006_external_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="marketplace",
            name="moved_to",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="derived",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
