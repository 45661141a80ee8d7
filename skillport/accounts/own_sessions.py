"""A person's own sessions: see them, and end them. An ended one is gone by the next request, or by the next second
for a websocket, because every door looks the session up again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from skillport.accounts.browsers import name_of_browser
from skillport.accounts.models import Method, Session
from skillport.accounts.sessions import SessionStore, digest


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSession:
    """A session as its owner sees it. The id is the digest of a cookie and opens nothing."""

    id: str
    method: str
    address: str
    browser: str
    since: datetime
    last_seen_at: datetime
    is_this: bool


def list_sessions(*, user_id: UUID, this: SessionStore) -> list[OwnSession]:
    """Give the person's live sessions: this one, then by when they were last seen."""
    live = Session.objects.filter(user_id=user_id, expire_date__gt=timezone.now())
    shown = [_shown(session, _id(this)) for session in live.order_by("-last_seen_at")]
    return sorted(shown, key=lambda session: not session.is_this)


def end_session(*, user_id: UUID, session_id: str) -> None:
    """End one of the person's own sessions. Another person's, and one that is gone, stay as they are."""
    Session.objects.filter(user_id=user_id, pk=session_id).delete()


def end_other_sessions(*, user_id: UUID, keep: SessionStore) -> None:
    """End all of the person's sessions but this one."""
    Session.objects.filter(user_id=user_id).exclude(pk=_id(keep)).delete()


def end_all_sessions(*, user_id: UUID) -> None:
    """End all of the person's sessions, whatever browser they are in."""
    Session.objects.filter(user_id=user_id).delete()


def _id(session: SessionStore) -> str:
    return digest(session.session_key or "")


def _shown(session: Session, this: str) -> OwnSession:
    return OwnSession(
        id=session.pk,
        method=Method(session.method).label if session.method else "password alone",
        address=session.address or "",
        browser=name_of_browser(session.user_agent),
        since=session.authenticated_at or session.last_seen_at,
        last_seen_at=session.last_seen_at,
        is_this=session.pk == this,
    )
