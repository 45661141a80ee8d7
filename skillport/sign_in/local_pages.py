"""The pages of local accounts: allauth's, each behind our own door.

Only what is in `local_urls.py` is mounted: nobody signs up, resets a password by mail or links accounts.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.views import (
    BaseReauthenticateView,
    PasswordChangeView,
    ReauthenticateView,
)
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, ReauthenticateWebAuthnView, RemoveWebAuthnView
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from skillport.accounts.models import Method, User
from skillport.accounts.own_sessions import end_other_sessions
from skillport.accounts.sessions import session_of
from skillport.database_clock import database_now
from skillport.errors import NotFound
from skillport.permissions import StepUpRequired
from skillport.sign_in.local_accounts import LocalAccountsOff, refuse_last_factor
from skillport.sign_in.signing_in import finish_second_factor

View = Callable[..., HttpResponse]


def for_local_accounts(view: View) -> View:
    """Let those through who have a local account or may be about to sign in to one.

    SECURITY: who came through a provider must not add a password or a passkey, which would go around the provider.
    Raises `LocalAccountsOff`, `NotFound`, or `StepUpRequired` in place of allauth's own answer, which would keep the
    form that was sent, and the cookie with it, in the session.
    """

    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not settings.LOCAL_ACCOUNTS:
            raise LocalAccountsOff
        if session_of(request).method not in {None, "", Method.LOCAL}:
            raise NotFound
        try:
            return view(request, **kwargs)
        except ReauthenticationRequired:
            raise StepUpRequired from None

    return guarded


# --- confirm that it is you -------------------------------------------------------------------------------------------


class _Confirms(BaseReauthenticateView):
    """Stands between allauth's views and what they share: by then the proof was good."""

    def form_valid(self, form: Any) -> HttpResponse:
        session_of(self.request).confirm(database_now())
        response: HttpResponse = super().form_valid(form)
        return response


class ConfirmByPassword(ReauthenticateView, _Confirms):
    pass


class ConfirmByCode(ReauthenticateByCodeView, _Confirms):
    pass


class ConfirmByPasskey(ReauthenticateWebAuthnView, _Confirms):
    pass


# --- password and second factors --------------------------------------------------------------------------------------


class ChangePassword(PasswordChangeView):
    def form_valid(self, form: Any) -> HttpResponse:
        """Change it, and end every other session: whoever knew the old password may be in one of them."""
        response: HttpResponse = super().form_valid(form)
        end_other_sessions(user_id=self.request.user.pk, keep=session_of(self.request))
        return response


class SetUpApp(ActivateTOTPView):
    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        _now_whole(self.request)
        return response


class AddPasskey(AddWebAuthnView):
    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        _now_whole(self.request)
        return response


class RemoveApp(DeactivateTOTPView):
    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            refuse_last_factor(self.request.user)
            response: HttpResponse = super().form_valid(form)
        return response


class RemovePasskey(RemoveWebAuthnView):
    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            refuse_last_factor(self.request.user)
            response: HttpResponse = super().form_valid(form)
        return response


def _now_whole(request: HttpRequest) -> None:
    """Count the session once the first second factor is there."""
    if session_of(request).method == "" and isinstance(request.user, User):
        finish_second_factor(request, request.user, now=database_now())
