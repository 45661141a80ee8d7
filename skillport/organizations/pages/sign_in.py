"""How people sign in: an overview of the ways in, and whether local accounts are one."""

from functools import partial

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from skillport.organizations.doors import member_page
from skillport.organizations.models import Kind
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import press
from skillport.organizations.services.connections import allow_local_accounts, list_connections
from skillport.organizations.services.organizations import get_organization
from skillport.principal import Principal


@member_page
@require_safe
def sign_in(request: HttpRequest, principal: Principal) -> HttpResponse:
    connections = list_connections(principal=principal)
    offers_google = bool(settings.GOOGLE_CLIENT_ID) and all(one.kind != Kind.GOOGLE for one in connections)
    return show_settings(
        request, principal, "organizations/sign_in.html", at="sign-in/", heading="Sign-in",
        connections=connections, offers_google=offers_google, local_accounts_exist=settings.LOCAL_ACCOUNTS,
        allows_local_accounts=get_organization(principal=principal).local_accounts,
        address=f"{settings.SITE_URL}/{principal.organization.slug}/sign-in",
    )  # fmt: skip


@member_page
@require_POST
def local_accounts(request: HttpRequest, principal: Principal) -> HttpResponse:
    allowed = request.POST.get("allowed") == "yes"
    act = partial(allow_local_accounts, principal=principal, allowed=allowed, now=timezone.now())
    said = (
        "People with a local account get in." if allowed else "Nobody gets in with a local account any more."
    )
    return press(request, act, said=said, to=settings_address(principal, "sign-in/"))
