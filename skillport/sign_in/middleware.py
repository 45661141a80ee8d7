"""What is asked of a session before any page sees it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from skillport.accounts.models import Session
from skillport.accounts.sessions import digest, session_of
from skillport.organizations.credentials import accepted_methods

_SECOND_FACTOR: Final = "/accounts/2fa/"
# What somebody who has given a password and nothing else may do: set up a second factor, or leave.
_BEFORE_SECOND_FACTOR: Final = (_SECOND_FACTOR, "/accounts/logout/")
_SEEN_EVERY: Final = timedelta(minutes=5)


class OnlyWholeSessions:
    """Sends who has only given a password to the second factor; ends sessions of ways in that were switched off."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            method = session_of(request).method
            if method == "" and settings.LOCAL_ACCOUNTS:
                if not request.path.startswith(_BEFORE_SECOND_FACTOR):
                    return HttpResponseRedirect(_SECOND_FACTOR)
            elif method is not None and method not in set(accepted_methods()):
                logout(request)
        return self._get_response(request)


class LastSeen:
    """Notes when a session was last used, to within five minutes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        seen_at = session_of(request).last_seen_at
        now = timezone.now()
        if seen_at is not None and now - seen_at > _SEEN_EVERY and request.session.session_key:
            Session.objects.filter(pk=digest(request.session.session_key)).update(last_seen_at=now)
        return response
