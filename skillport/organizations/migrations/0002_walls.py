from django.db import migrations

from skillport.walls import grants, wall


class Migration(migrations.Migration):
    dependencies = [("organizations", "0001_initial")]
    operations = [grants(), wall("organizations_membership")]
