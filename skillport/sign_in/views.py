"""The pages on which people sign in."""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from skillport.accounts.sessions import session_of
from skillport.database_clock import database_now
from skillport.errors import SkillportError
from skillport.organizations.slugs import SLUG_PATTERN
from skillport.sign_in.admission import come_in, confirms
from skillport.sign_in.claims import AssertionRefused, Claims
from skillport.sign_in.clients import GOOGLE, Client, find_client, way_to
from skillport.sign_in.invitation import remembered_invitation
from skillport.sign_in.next_address import HOME, safe_next
from skillport.sign_in.provider import begin, finish, proved_at
from skillport.sign_in.routing import own_ways, way_for
from skillport.sign_in.signing_in import sign_in

_ADDRESS: Final = "skillport_address"
_SLUG: Final = re.compile(SLUG_PATTERN, re.ASCII)


class AnotherPerson(SkillportError):
    code = "another_person"
    status = 403
    message = "That was another account than the one that is signed in here. Nothing was changed. Confirm with the same one."


class NoOwnSignIn(SkillportError):
    code = "no_own_sign_in"
    status = 404
    message = (
        "There is no sign-in of an organization's own at this address. Check the address, or go back and choose another "
        "way. Whoever gave you the address knows how people of the organization sign in."
    )


class WorkAddress(forms.Form):
    email = forms.EmailField(label="Work e-mail", max_length=254)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """Ask for the work address, and offer the ways that need none.

    The answer to every address is the same page and takes the same time, whether anybody has proved its domain or
    not: where it leads is looked up only for whoever follows it.
    """
    next_address = safe_next(request.GET.get("next"))
    form = WorkAddress(request.POST or None)
    if request.method == "POST" and form.is_valid():
        session_of(request)[_ADDRESS] = {"email": form.cleaned_data["email"], "next": next_address}
        return render(request, "sign_in/continue.html")
    return render(request, "sign_in/sign_in.html", {"form": form, **_offers(next_address)})


@require_GET
def go_on(request: HttpRequest) -> HttpResponse:
    """Send the browser where its address leads. A link of its own, because no form may lead to another site here."""
    typed = session_of(request).pop(_ADDRESS, None)
    way = way_for(typed["email"]) if typed else ""
    if way:
        return HttpResponseRedirect(_with(way, next=typed["next"]))
    return render(request, "sign_in/unknown.html", _offers(safe_next(None)))


@require_GET
def organization_sign_in(request: HttpRequest, organization: str) -> HttpResponse:
    """Offer the ways into an organization: the same page for one that is there and one that is not."""
    next_address = safe_next(request.GET.get("next") or f"/{organization}/")
    told = {"slug": organization, **_offers(next_address, organization)}
    return render(request, "sign_in/organization.html", told)


@require_GET
def own_sign_in(request: HttpRequest, organization: str) -> HttpResponse:
    """Go on to the provider that the organization brought itself, or let the person choose among several."""
    next_address = safe_next(request.GET.get("next") or f"/{organization}/")
    ways = [(name, way_to(key, next=next_address)) for name, key in own_ways(organization)]
    if not ways:
        raise NoOwnSignIn
    if len(ways) == 1:
        return HttpResponseRedirect(ways[0][1])
    return render(request, "sign_in/choose.html", {"ways": ways})


@require_GET
def begin_at_provider(request: HttpRequest, key: str) -> HttpResponse:
    """Begin a sign-in, or with `confirm` a step-up, at a provider."""
    client = find_client(key)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # SECURITY: another site could otherwise make a browser somebody else here, by a provider of its own.
        return render(
            request, "sign_in/begin.html", {"name": client.name, "address": request.get_full_path()}
        )
    slug = request.GET.get("organization", "")
    kept = {
        "next": safe_next(request.GET.get("next")),
        "organization": slug if _SLUG.fullmatch(slug) else "",
    }
    confirm = request.GET.get("confirm") == "1" and request.user.is_authenticated
    return begin(request, client, kept=kept, confirm=confirm)


@require_GET
def answer_of_provider(request: HttpRequest, key: str) -> HttpResponse:
    """Take the provider's answer: sign the person in, or confirm that it is still them."""
    client = find_client(key)
    now = timezone.now()
    claims, kept = finish(request, client, now=now)
    if kept.get("confirm"):
        return _confirm(request, claims, kept)
    return _arrive(request, client, claims, kept, now)


def _arrive(
    request: HttpRequest, client: Client, claims: Claims, kept: dict[str, Any], now: datetime
) -> HttpResponse:
    slug = client.organization.slug if client.organization else kept["organization"]
    invitation = remembered_invitation(request, slug)
    arrival = come_in(claims=claims, client=client, slug=slug, invitation_digest=invitation, now=now)
    # After admission: a session counts only if it authenticated after the membership began.
    sign_in(
        request, arrival.user, method=arrival.method, connection_id=arrival.connection_id, now=database_now()
    )
    session_of(request).confirm(proved_at(claims, client, now=database_now()))
    after = kept["next"]
    return HttpResponseRedirect(f"/{slug}/" if after == HOME and slug else after)


def _confirm(request: HttpRequest, claims: Claims, kept: dict[str, Any]) -> HttpResponse:
    user = request.user
    if not user.is_authenticated:
        raise AssertionRefused("nobody is signed in whom to confirm")
    if not confirms(claims=claims, user_id=user.pk):
        raise AnotherPerson
    session_of(request).confirm(database_now())
    return HttpResponseRedirect(kept["next"])


def _offers(next_address: str, organization: str = "") -> dict[str, str]:
    """Give the addresses of the ways that this deployment has for everybody."""
    after = {"next": next_address}
    own = {"organization": organization, **after} if organization else after
    return {
        "google": way_to(GOOGLE, **own) if settings.GOOGLE_CLIENT_ID else "",
        "local": _with("/accounts/local/", **after) if settings.LOCAL_ACCOUNTS else "",
        "demo": _with("/accounts/demo", **after) if settings.DEMO_SIGN_IN else "",
        "own": _with(f"/{organization}/sign-in/own", **after) if organization else "",
    }


def _with(address: str, **parameters: str) -> str:
    if not address:
        return ""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"
