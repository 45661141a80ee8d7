"""What a session is from the moment somebody signs in."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import SessionStore, digest
from skillport.organizations.models import Organization
from skillport.organizations.services.members import end_membership
from skillport.sign_in.signing_in import sign_in
from tests.cast import Cast


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def request(cookie: str | None = None, **headers: Any) -> HttpRequest:
    made = RequestFactory().get("/", headers=headers)
    made.session = SessionStore(cookie)
    return made


def row(made: HttpRequest) -> Session:
    made.session.save()
    assert made.session.session_key
    return Session.objects.get(session_key=digest(made.session.session_key))


def test_a_session_knows_who_how_when_and_from_where(cast: Cast, now: datetime) -> None:
    connection_id = uuid4()
    made = request(**{"User-Agent": "Firefox " + "x" * 400})
    alice = User.objects.get(pk=cast.alice.user_id)
    sign_in(made, alice, method=Method.CONNECTION, connection_id=connection_id, now=now)
    session = row(made)
    assert (session.user_id, session.method, session.connection_id) == (
        alice.pk,
        Method.CONNECTION,
        connection_id,
    )
    assert (session.authenticated_at, session.confirmed_at, session.address) == (now, now, "127.0.0.1")
    assert session.user_agent == "Firefox " + "x" * 292


def test_signing_in_changes_the_sessions_id_and_ends_the_one_before(cast: Cast, now: datetime) -> None:
    before = request()
    before.session["kept"] = "state of a sign-in that is under way"
    planted = row(before).session_key
    made = request(before.session.session_key)
    sign_in(made, User.objects.get(pk=cast.alice.user_id), method=Method.GOOGLE, now=now)
    assert row(made).session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_signing_in_again_changes_it_as_well(cast: Cast, now: datetime) -> None:
    made = request()
    alice = User.objects.get(pk=cast.alice.user_id)
    sign_in(made, alice, method=Method.GOOGLE, now=now)
    before = row(made).session_key
    sign_in(made, alice, method=Method.CONNECTION, connection_id=uuid4(), now=now)
    assert row(made).session_key != before
    assert not Session.objects.filter(session_key=before).exists()


def test_another_person_finds_nothing_of_whoever_used_the_browser_before(cast: Cast, now: datetime) -> None:
    made = request()
    sign_in(made, User.objects.get(pk=cast.alice.user_id), method=Method.GOOGLE, now=now)
    made.session["of"] = "alice"
    sign_in(made, User.objects.get(pk=cast.bob.user_id), method=Method.GOOGLE, now=now)
    assert "of" not in made.session
    assert made.session[SESSION_KEY] == str(cast.bob.user_id)


def lasts(who: Any, now: datetime) -> timedelta:
    made = request()
    sign_in(made, User.objects.get(pk=who.user_id), method=Method.GOOGLE, now=now)
    return row(made).expire_date - now


def test_a_session_lasts_as_long_as_the_most_patient_organization_allows(cast: Cast, now: datetime) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(session_hours=100)
    assert lasts(cast.bob, now) == timedelta(hours=100)
    assert lasts(cast.charlie, now) == timedelta(hours=12)
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    assert lasts(cast.bob, now) == timedelta(hours=12)


def test_a_closed_organization_lengthens_no_session(cast: Cast, now: datetime) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(session_hours=100, closed_at=now)
    assert lasts(cast.bob, now) == timedelta(hours=12)


def test_using_a_session_does_not_lengthen_it(cast: Cast, now: datetime) -> None:
    made = request()
    sign_in(made, User.objects.get(pk=cast.bob.user_id), method=Method.GOOGLE, now=now)
    ends = row(made).expire_date
    again = request(made.session.session_key)
    again.session["seen"] = True
    assert row(again).expire_date == ends
