"""`create_owner`: the first person of a deployment, whom no provider has to vouch for."""

import getpass
import logging
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from marketplaces.services.founding import found_organization
from skillport.accounts.models import User
from skillport.errors import SkillportError
from skillport.organizations.models import AdmittedBy, Organization
from skillport.organizations.services.members import add_member
from skillport.principal import Door, Role, SystemActor
from skillport.sign_in.local_accounts import LocalAccountsOff, create_local_account

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Make a person who signs in here with a password and a second factor, and the owner of an organization. "
        "What is not given is asked for; the password is asked for, or read from standard input, and given no other way."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("handle", nargs="?", help="the sign-in name: 3 to 64 of a-z, 0-9 and . _ @ + -")
        parser.add_argument("--person", help="the person's name, as others see it")
        parser.add_argument("--email", help="an address to show beside the name; '' for none")
        parser.add_argument("--organization", metavar="SLUG", help="the organization that gets this owner")
        parser.add_argument("--name", help="the organization's name: founds it")
        parser.add_argument(
            "--operator", action="store_true", help="may create organizations, whoever else may"
        )
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from the first line of standard input",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if not settings.LOCAL_ACCOUNTS:
            raise CommandError(f"{LocalAccountsOff.message} It is SKILLPORT_LOCAL_ACCOUNTS that says so.")
        if options["name"] and not options["organization"]:
            raise CommandError(
                "--name is the name of a new organization: give its address with --organization."
            )
        asks = not options["password_stdin"]
        if asks and not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask for the password. Use --password-stdin.")
        told = {
            "handle": _given_or_asked(options["handle"], "Sign-in name", asks=asks),
            "name": _given_or_asked(options["person"], "Name", asks=asks),
            "email": _given_or_asked(
                options["email"], "E-mail address (for display; may be empty)", asks=asks
            ),
        }
        password = _ask_password() if asks else sys.stdin.readline().removesuffix("\n")
        try:
            with transaction.atomic():
                person = create_local_account(**told, password=password, is_operator=options["operator"])
                if options["organization"]:
                    _make_owner(person, options["organization"], options["name"])
        except SkillportError as error:
            raise CommandError(error.message) from None
        logger.info("Local account created", extra={"user": str(person.pk), "operator": person.is_operator})
        self.stdout.write(
            f"{person.handle} signs in at {settings.SITE_URL}/accounts/local/ and sets up a second factor there, first "
            "of all."
        )


def _make_owner(person: User, slug: str, name: str | None) -> None:
    organization = Organization.objects.filter(slug=slug, closed_at=None).first()
    if organization is None and not name:
        raise CommandError(f"There is no organization {slug}. Give its --name to found it.")
    if organization is None:
        found_organization(name=name or "", slug=slug, owner=person)
        return
    if name:
        raise CommandError(
            f"There is an organization {slug} already. Leave out --name to make this person its owner."
        )
    if not organization.local_accounts:
        raise CommandError(
            f"{organization} lets nobody in who signs in with a password. Its owners can change that."
        )
    actor = SystemActor(organization_id=organization.pk, what="create_owner", door=Door.COMMAND_LINE)
    add_member(
        organization=organization, user=person, role=Role.OWNER, actor=actor, admitted_by=AdmittedBy.OPERATOR
    )


def _given_or_asked(given: str | None, what: str, *, asks: bool) -> str:
    if given is not None:
        return given
    if not asks:
        raise CommandError(
            f"{what} is missing. With --password-stdin, everything else is given as an argument."
        )
    return input(f"{what}: ").strip()


def _ask_password() -> str:
    password = getpass.getpass("Password (at least 15 characters): ")
    if password != getpass.getpass("The same again: "):
        raise CommandError("The two passwords differ. Nothing was made.")
    return password
