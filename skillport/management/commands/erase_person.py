"""`erase_person`: forget somebody in every organization, as the law lets them ask."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from skillport.accounts.models import User
from skillport.errors import SkillportError
from skillport.organizations.services.forgetting import erase_person


class Command(BaseCommand):
    help = "Erase a person: memberships end, identities, sessions and names go; the audit log keeps an opaque id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "person",
            type=UUID,
            help="the person's id: on their page under Members, `user_id` over REST, `user:…` in the audit log",
        )

    def handle(self, *, person: UUID, **_: Any) -> None:
        try:
            erase_person(user_id=person, now=timezone.now())
        except User.DoesNotExist:
            raise CommandError("Nobody has this id.") from None
        except SkillportError as error:
            raise CommandError(error.message) from None
        self.stdout.write("Erased.")
