"""`migrate`, as the role that owns the tables."""

from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand

from skillport.owner import as_owner


class Command(MigrateCommand):
    """Django's own command, connected through DATABASE_OWNER_URL."""

    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner():
            super().handle(*args, **options)
