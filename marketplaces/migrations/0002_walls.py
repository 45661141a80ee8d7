from django.db import migrations

from skillport.walls import wall

TABLES = [
    "accessrule", "blob", "marketplace", "plugin", "pluginlisting", "release", "releasefile", "skill", "skilllisting",
    "snapshot", "subject", "syncfinding", "syncrun", "versionentry",
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("marketplaces", "0001_initial"), ("organizations", "0002_walls")]
    operations = [wall(f"marketplaces_{table}") for table in TABLES]
