"""Where sessions are kept: Django's database store, with the cookie's value only as a digest.

Who reads the database cannot take a session over, nor see what it holds while a sign-in is under way (a provider's
state, a second factor that is being set up): the key ring seals it. What decides for which organizations a session counts is in columns,
so that one statement can ask for it; it is written from the session's data, which Django saves as a whole.
"""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, cast
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone

from skillport.accounts.models import Session
from skillport.encryption import key_ring
from skillport.key_ring import NO_ORGANIZATION, Place, SecretUnreadable

_SIGNED_IN: Final = "skillport_signed_in"


class SignedIn(TypedDict):
    """How this session was signed in. Times are ISO 8601."""

    method: str  # '' while a local account has no second factor yet
    connection_id: str | None
    authenticated_at: str
    confirmed_at: str | None
    address: str | None
    user_agent: str


def digest(cookie: str) -> str:
    """Give the key under which the session of this cookie is kept: 64 hex digits."""
    return hashlib.sha256(cookie.encode()).hexdigest()


class SessionStore(DatabaseStore):
    last_seen_at: datetime | None = None  # as it was when the session was read

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        row = self._row()
        opened = _opened(row) if row else ""
        return self.decode(opened) if opened else {}

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        signed_in = cast("SignedIn | None", data.get(_SIGNED_IN))
        cookie: str = self._get_or_create_session_key()  # type: ignore[attr-defined]
        key = digest(cookie)
        sealed = key_ring().seal(self.encode(data), _place(key))
        row = Session(
            session_key=key,
            session_data=base64.b64encode(sealed).decode(),
            expire_date=self.get_expiry_date(),
            last_seen_at=timezone.now(),
        )
        if signed_in and SESSION_KEY in data:
            row.user_id = UUID(data[SESSION_KEY])
            row.method = signed_in["method"]
            row.connection_id = UUID(signed_in["connection_id"]) if signed_in["connection_id"] else None
            row.authenticated_at = datetime.fromisoformat(signed_in["authenticated_at"])
            confirmed_at = signed_in["confirmed_at"]
            row.confirmed_at = datetime.fromisoformat(confirmed_at) if confirmed_at else None
            row.address, row.user_agent = signed_in["address"], signed_in["user_agent"]
        return row

    def delete(self, session_key: str | None = None) -> None:
        if cookie := session_key or self.session_key:
            Session.objects.filter(session_key=digest(cookie)).delete()

    def _row(self) -> Session | None:
        if self.session_key is None:
            return None
        found = Session.objects.filter(
            session_key=digest(self.session_key), expire_date__gt=timezone.now()
        ).first()
        if found is None:
            self._session_key = None
        else:
            self.last_seen_at = found.last_seen_at
        return found

    # --- how it was signed in -----------------------------------------------------------------------------------------

    @property
    def signed_in(self) -> SignedIn | None:
        return cast("SignedIn | None", self.get(_SIGNED_IN))

    @property
    def method(self) -> str | None:
        """Give how whoever this session belongs to signed in; '' for a password alone, None for nobody."""
        if SESSION_KEY not in self:
            return None
        return self.signed_in["method"] if self.signed_in else ""

    def remember_sign_in(self, signed_in: SignedIn) -> None:
        self[_SIGNED_IN] = signed_in

    def confirmed_within(self, period: timedelta, now: datetime) -> bool:
        """Tell whether the person proved who they are, by signing in or since, within `period`."""
        signed_in = self.signed_in
        confirmed_at = signed_in["confirmed_at"] if signed_in else None
        return confirmed_at is not None and now - datetime.fromisoformat(confirmed_at) <= period

    def confirm(self, at: datetime | None) -> None:
        """Note when the person has last proved who they are; None where nobody knows.

        The time since sign-in does not begin anew.
        """
        if signed_in := self.signed_in:
            self[_SIGNED_IN] = {**signed_in, "confirmed_at": at.isoformat() if at else None}


def _place(key: str) -> Place:
    return Place(NO_ORGANIZATION, Session._meta.db_table, key, "session_data")


def _opened(row: Session) -> str:
    """Give what the session holds; nothing, so that its owner signs in again, where no key on the ring opens it."""
    try:
        return key_ring().open(base64.b64decode(row.session_data), _place(row.pk))
    except (SecretUnreadable, ValueError):
        return ""


def session_of(request: HttpRequest) -> SessionStore:
    """Give the request's session as what it is here."""
    return cast("SessionStore", request.session)
