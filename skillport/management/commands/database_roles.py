"""`database_roles`: the SQL that makes the three database roles, for an administrator to run."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from psycopg.conninfo import conninfo_to_dict

from skillport.roles import creation_sql


class Command(BaseCommand):
    help = "Print the SQL that makes the three database roles, with the names that the settings give them."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        owner_url = settings.DATABASE_OWNER_URL
        owner = conninfo_to_dict(owner_url.get_secret_value())["user"] if owner_url else "skillport_owner"
        app, across = settings.DATABASE_APP_ROLE, settings.DATABASE_ACROSS_ROLE
        self.stdout.write(creation_sql(owner=str(owner), app=app, across=across))
