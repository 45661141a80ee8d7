"""`set_quota`: let one organization store more or less than the settings say."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplaces.services.quotas import set_quota
from skillport.organizations.models import Organization
from skillport.principal import Door, SystemActor


def _amount(text: str) -> int | None:
    if text == "default":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ArgumentTypeError("give a number, or: default")
    return int(text)


class Command(BaseCommand):
    help = "Give an organization limits of its own: how much it may store, and how many marketplaces it may bind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="its short name, as in its addresses")
        told = "a number, or `default` for what the settings say"
        parser.add_argument("--stored-megabytes", type=_amount, required=True, help=told)
        parser.add_argument("--marketplaces", type=_amount, required=True, help=told)

    def handle(
        self, *, organization: str, stored_megabytes: int | None, marketplaces: int | None, **_: Any
    ) -> None:
        found = Organization.objects.filter(slug=organization, closed_at=None).first()
        if found is None:
            raise CommandError("There is no organization of this name.")
        set_quota(
            organization=found,
            stored_bytes=None if stored_megabytes is None else stored_megabytes * 2**20,
            marketplaces=marketplaces,
            actor=SystemActor(organization_id=found.pk, what="operator", door=Door.COMMAND_LINE),
        )
        self.stdout.write("Done. It holds from the next import and the next binding on; what is there stays.")
