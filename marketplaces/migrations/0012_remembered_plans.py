"""What a plugin's plan followed from, and what came of it: so that it need not be planned again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketplaces", "0011_github_apps")]

    operations = [
        migrations.AddField("pluginlisting", "fingerprint", models.BinaryField(max_length=32, null=True)),
        migrations.AddField("pluginlisting", "outcome", models.JSONField(null=True)),
    ]
