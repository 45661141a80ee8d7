"""Mails to those who can put a marketplace right: the owners and administrators of its organization.

Best effort: what they say stands on the marketplace's page too, and a mail that cannot be sent holds nothing up.
"""

from typing import Final
from uuid import UUID

from django.conf import settings

from marketplaces.models import Marketplace
from marketplaces.services.outcomes import News
from skillport.errors import SkillportError
from skillport.organizations import mail
from skillport.organizations.models import Membership
from skillport.principal import Role
from skillport.scoping import within

_WHAT_HAPPENS: Final = {
    News.WAITS_FOR_PEOPLE: "Skillport does not try again before somebody has put this right.",
    News.COMMIT_LEFT_ALONE: (
        "Its newest commit has failed again and again. Skillport tries it again tomorrow, or brings a newer commit as "
        "soon as there is one."
    ),
    News.KEEPS_FAILING: "It has failed for hours. Skillport goes on trying, a few times a day.",
}


def managers_of(organization_id: UUID) -> list[str]:
    """Give the addresses of owners and administrators. Inside the caller's own `within`."""
    managers = Membership.objects.for_organization(organization_id).filter(
        role__in=[Role.OWNER, Role.ADMIN], ended_at=None, user__is_active=True
    )
    return list(managers.exclude(user__email="").values_list("user__email", flat=True))


def tell_of_failure(
    *, organization_id: UUID, marketplace_id: UUID, news: News, error: SkillportError
) -> None:
    """Tell that a marketplace is no longer brought up to date, why, and where to put it right."""
    with within(organization_id):
        own = Marketplace.objects.for_organization(organization_id).select_related("organization")
        row = own.filter(pk=marketplace_id).first()
        managers = managers_of(organization_id)
    if row is not None:
        # SECURITY: only words of our own. What a host or a repository says may be an address to send administrators to.
        is_ours = error.message == type(error).message
        send(
            managers, row,
            subject=f"{row.slug} in {name_of(row)} is not brought up to date",
            text=f"The last sync of {row.url} has failed. {error.message if is_ours else 'Its page says why.'}\n\n"
            f"{_WHAT_HAPPENS[news]} Members keep what is served.",
        )  # fmt: skip


def send(addresses: list[str], row: Marketplace, *, subject: str, text: str, page: str = "") -> None:
    """Send a mail about a marketplace, with the link to one of its pages in the settings."""
    link = f"{settings.SITE_URL}/{row.organization.slug}/settings/marketplaces/{row.pk}/{page}"
    for address in addresses:
        if not mail.send(to=address, subject=subject, text=f"{text}\n\n{link}\n"):
            return  # the others would only be waited for, too


def name_of(row: Marketplace) -> str:
    """Give the organization's name as it fits into a subject."""
    return mail.one_line(row.organization.name)[:100]
