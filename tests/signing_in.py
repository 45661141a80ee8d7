"""Sign somebody in as a browser would be: a session in the database, and its cookie."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from skillport.accounts.models import Method, User
from skillport.accounts.sessions import SessionStore, session_of
from skillport.organizations.credentials import principal_of_session
from skillport.principal import Door, Principal
from skillport.sign_in.signing_in import sign_in


def cookie_of(
    user_id: UUID,
    *,
    method: Method = Method.LOCAL,
    connection_id: UUID | None = None,
    ago: timedelta = timedelta(0),
) -> str:
    """Give the cookie of a new session of this person, who signed in as long as `ago`."""
    request = HttpRequest()
    request.session = SessionStore()
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    moment: datetime = timezone.now() - ago
    sign_in(request, User.objects.get(pk=user_id), method=method, connection_id=connection_id, now=moment)
    session_of(request).save()
    cookie = session_of(request).session_key
    assert cookie
    return cookie


def inside(cookie: str | None, slug: str = "acme") -> Principal | None:
    """Give who the session behind this cookie is at the organization's pages, or None."""
    return principal_of_session(cookie=cookie, slug=slug, door=Door.PAGE)


def browser(cookie: str = "", **options: Any) -> Client:
    """Give a browser at our address, with this session or with none."""
    client = Client(headers={"host": settings.ALLOWED_HOSTS[0]}, **options)
    if cookie:
        client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    return client


def browser_of(who: Principal) -> Client:
    """Give the browser of somebody who has just signed in."""
    return browser(cookie_of(who.user_id))
