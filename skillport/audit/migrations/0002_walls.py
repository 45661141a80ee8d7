from django.db import migrations

from skillport.walls import append_only, wall


class Migration(migrations.Migration):
    # After the grants, which would give back what append_only() takes away.
    dependencies = [("audit", "0001_initial"), ("organizations", "0002_walls")]
    operations = [wall("audit_auditevent"), append_only("audit_auditevent")]
