"""Signing in to the demo: choose a person. Nobody proves anything, so it exists in the demo's own process only."""

from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.checks import Error, register
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from skillport.accounts.models import Method, User
from skillport.database_clock import database_now
from skillport.errors import NotFound
from skillport.sign_in.next_address import safe_next
from skillport.sign_in.signing_in import sign_in

_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}


class Person(forms.Form):
    person = forms.UUIDField()


def is_on_loopback() -> bool:
    """Tell whether only this machine reaches the deployment: plain http to a loopback host."""
    address = urlsplit(settings.SITE_URL)
    return address.scheme == "http" and address.hostname in _LOOPBACK


@register
def refuse_outside_the_demo(**_: object) -> list[Error]:
    """Stop whatever has the demo's sign-in switched on and is not on loopback."""
    if settings.DEMO_SIGN_IN and not is_on_loopback():
        return [
            Error(
                "The demo's sign-in lets anybody be anybody. It works on loopback only.", id="skillport.E001"
            )
        ]
    return []


@require_http_methods(["GET", "POST"])
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo's people. Nothing is here outside the demo."""
    # SECURITY: both conditions, at the door itself: no variable of the environment switches this on.
    if not (settings.DEMO_SIGN_IN and is_on_loopback()):
        raise NotFound
    after = safe_next(request.GET.get("next"))
    form = Person(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = _person(form.cleaned_data["person"])
        sign_in(request, user, method=Method.DEMO, now=database_now())
        return HttpResponseRedirect(after)
    people = User.objects.filter(is_active=True).exclude(name="").order_by("email")[:50]
    return render(request, "sign_in/demo.html", {"people": people})


def _person(user_id: UUID) -> User:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise NotFound
    return user
