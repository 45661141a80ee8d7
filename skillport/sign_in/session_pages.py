"""A person's own sessions, whatever way they signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Final
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from skillport.accounts.models import User
from skillport.accounts.own_sessions import (
    end_all_sessions,
    end_other_sessions,
    end_session,
    list_sessions,
)
from skillport.accounts.sessions import session_of

_HERE: Final = "/accounts/sessions"


class WhichSession(forms.Form):
    session = forms.RegexField(r"^[0-9a-f]{64}\Z")


def for_oneself(view: Callable[[HttpRequest, User], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let whoever is signed in through, as `view(request, person)`; others sign in first."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not isinstance(request.user, User):
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': _HERE})}")
        return view(request, request.user)

    return guarded


@require_safe
@for_oneself
def own_sessions(request: HttpRequest, person: User) -> HttpResponse:
    sessions = list_sessions(user_id=person.pk, this=session_of(request))
    return render(request, "sign_in/sessions.html", {"sessions": sessions})


@require_POST
@for_oneself
def end_own_session(request: HttpRequest, person: User) -> HttpResponse:
    form = WhichSession(request.POST)
    if form.is_valid():
        end_session(user_id=person.pk, session_id=form.cleaned_data["session"])
    return HttpResponseRedirect(_HERE)


@require_POST
@for_oneself
def end_other_own_sessions(request: HttpRequest, person: User) -> HttpResponse:
    end_other_sessions(user_id=person.pk, keep=session_of(request))
    return HttpResponseRedirect(_HERE)


@require_POST
@for_oneself
def sign_out_everywhere(request: HttpRequest, person: User) -> HttpResponse:
    end_all_sessions(user_id=person.pk)
    logout(request)
    return HttpResponseRedirect("/")
