"""Begin a session: the one way in for everybody who signs in, whoever vouched for them."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth import login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import session_of
from skillport.organizations.services.members import longest_session, record_local_sign_in

_USER_AGENT_CHARACTERS: Final = 300
# How long who gave a password may take to set up the second factor that has to follow.
_SETTING_UP: Final = timedelta(minutes=30)
_PASSWORD_ALONE: Final = ""


def sign_in(
    request: HttpRequest, user: User, *, method: Method, connection_id: UUID | None = None, now: datetime
) -> None:
    """Let the browser be `user` from now on, under a new session id, until the longest of their organizations allows.

    Each organization counts the session for as long as itself allows, and only if it accepts how it was signed in.
    """
    ends_at = now + longest_session(user_id=user.pk)
    _begin(request, user, method=method, connection_id=connection_id, now=now, ends_at=ends_at)


def sign_in_locally(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Sign in whoever proved a password and a second factor, or a passkey, and record it where that counts."""
    sign_in(request, user, method=Method.LOCAL, now=now)
    record_local_sign_in(user_id=user.pk)


def begin_second_factor(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Let who gave the password of an account without a second factor set one up, and do nothing else.

    Without a method no organization counts the session, and `OnlyWholeSessions` keeps it from every other page.
    """
    _begin(request, user, method=_PASSWORD_ALONE, connection_id=None, now=now, ends_at=now + _SETTING_UP)


def finish_second_factor(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Count the session in which the first factor was set up, and end the others that know the password alone.

    SECURITY: they end because somebody else may have begun one of them, and the factor is not theirs.
    """
    Session.objects.filter(user=user, method=_PASSWORD_ALONE).delete()
    sign_in_locally(request, user, now=now)


def _begin(
    request: HttpRequest,
    user: User,
    *,
    method: str,
    connection_id: UUID | None,
    now: datetime,
    ends_at: datetime,
) -> None:
    session = session_of(request)
    before = session.session_key
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    if session.session_key == before:  # Django keeps the id where the same person was signed in already
        session.cycle_key()
    session.set_expiry(ends_at)
    session.remember_sign_in(
        {
            "method": method,
            "connection_id": str(connection_id) if connection_id else None,
            "authenticated_at": now.isoformat(),
            "confirmed_at": now.isoformat(),
            "address": _address_of(request),
            "user_agent": request.headers.get("User-Agent", "")[:_USER_AGENT_CHARACTERS],
        }
    )


def _address_of(request: HttpRequest) -> str | None:
    """Give the client's address, past as many proxies as the operator trusts; None where it cannot be known."""
    try:
        address: str = get_adapter(request).get_client_ip(request)
    except PermissionDenied:
        return None
    return address
