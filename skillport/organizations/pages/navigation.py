"""The settings of an organization: which pages there are, and who sees which."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from skillport.organizations.doors import member_page, show
from skillport.permissions import ALLOWED, Permission
from skillport.principal import Principal


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the settings. `needs` hides it from those for whom there is nothing on it."""

    title: str
    address: str
    needs: Permission | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    title: str
    address: str
    is_current: bool


NAVIGATION: Final = {
    "Catalog": (Entry("Marketplaces", "marketplaces/", Permission.MARKETPLACES_MANAGE),),
    "People": (
        Entry("Members", "members/", Permission.MEMBERS_READ),
        Entry("Groups", "groups/", Permission.MEMBERS_READ),
        Entry("Invitations", "invitations/", Permission.MEMBERS_READ),
        Entry("Requests to join", "requests/", Permission.MEMBERS_READ),
    ),
    "You": (
        Entry("API keys", "keys/"),
        Entry("Sessions", "/accounts/sessions"),
    ),
    "Organization": (
        Entry("Sign-in", "sign-in/", Permission.SIGN_IN_MANAGE),
        Entry("Domains", "sign-in/domains/", Permission.SIGN_IN_MANAGE),
        Entry("General", "general/", Permission.ORGANIZATION_MANAGE),
        Entry("Leave or delete", "danger/"),
    ),
}


def settings_address(principal: Principal, page: str = "") -> str:
    """Give the address of a page of the settings."""
    return page if page.startswith("/") else f"/{principal.organization.slug}/settings/{page}"


def address_of(principal: Principal, page: str, key: UUID) -> str:
    """Give the address of the page about one thing; `page` is its name in `urls.py`."""
    return reverse(page, args=[principal.organization.slug, key])


@member_page
@require_safe
def settings_index(request: HttpRequest, principal: Principal) -> HttpResponse:  # noqa: ARG001 Django's signature
    """Send everybody to the first page that has something for them."""
    _, pages = next(_navigation(principal, ""))
    return HttpResponseRedirect(pages[0].address)


def show_settings(
    request: HttpRequest, principal: Principal, template: str, *, at: str, heading: str, **context: Any
) -> HttpResponse:
    """Render a page of the settings, with `at` chosen in the navigation; templates see that page as `here`."""
    navigation = list(_navigation(principal, at))
    here = next((page for _, pages in navigation for page in pages if page.is_current), None)
    told = {"section": "settings", "heading": heading, "navigation": navigation, "here": here}
    return show(request, principal, template, **told, **context)


def _navigation(principal: Principal, at: str) -> Iterator[tuple[str, list[Shown]]]:
    for title, entries in NAVIGATION.items():
        pages = [
            Shown(entry.title, settings_address(principal, entry.address), entry.address == at)
            for entry in entries
            if entry.needs is None or entry.needs in ALLOWED[principal.role]
        ]
        if pages:
            yield title, pages
