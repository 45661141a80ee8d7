"""The step-up: who was signed in for more than ten minutes proves again who they are, and goes on where they were."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.utils import timezone

from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import SessionStore, digest
from skillport.permissions import STEP_UP
from tests.cast import Cast, make_cast
from tests.running import Running
from tests.skillport.local_accounts.local import PASSWORD, give_password, make_person, set_up_app
from tests.visiting import Visitor, forms_of, signed_in, text_of

HERE = "/accounts/confirm"


@pytest.fixture
def cast(live: Running) -> Cast:
    return make_cast()


def grow_old(visitor: Visitor, by: timedelta = STEP_UP + timedelta(minutes=1)) -> datetime:
    """Let the last proof have been given so long ago."""
    store = SessionStore(visitor.cookie)
    at = timezone.now() - by
    store.confirm(at)
    store.save()
    return at


def confirmed_at(visitor: Visitor) -> datetime:
    assert visitor.cookie
    found = Session.objects.get(pk=digest(visitor.cookie)).confirmed_at
    assert found is not None
    return found


@pytest.fixture
def dora(cast: Cast) -> Visitor:
    """A local account that signed in a while ago."""
    make_person("dora")
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    grow_old(visitor)
    return visitor


def test_a_local_account_confirms_by_its_password(dora: Visitor) -> None:
    before = confirmed_at(dora)
    answer = dora.get(f"{HERE}?next=%2Facme%2Fsettings%2F")
    assert answer.headers["location"] == "/accounts/reauthenticate/?next=%2Facme%2Fsettings%2F"
    page = answer.headers["location"]
    assert dora.submit(page, password="not it").status_code == 200
    assert confirmed_at(dora) == before
    answer = dora.submit(page, password=PASSWORD)
    assert answer.headers["location"] == "/acme/settings/"
    assert timezone.now() - confirmed_at(dora) < timedelta(minutes=1)


def test_a_local_account_confirms_by_its_second_factor(cast: Cast) -> None:
    make_person("emil")
    emil = Visitor()
    give_password(emil, "emil")
    codes = set_up_app(emil)
    grow_old(emil)
    answer = emil.submit("/accounts/2fa/reauthenticate/?next=%2Facme%2F", code=codes[0])
    assert answer.headers["location"] == "/acme/"
    assert timezone.now() - confirmed_at(emil) < timedelta(minutes=1)


def test_confirming_does_not_begin_the_session_anew(dora: Visitor) -> None:
    row = Session.objects.get(pk=digest(dora.cookie or ""))
    dora.submit("/accounts/reauthenticate/", password=PASSWORD)
    after = Session.objects.get(pk=digest(dora.cookie or ""))
    assert (after.authenticated_at, after.expire_date) == (row.authenticated_at, row.expire_date)


def test_what_concerns_the_second_factor_asks_first(dora: Visitor) -> None:
    for path in (
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/totp/deactivate/",
    ):
        answer = dora.get(path)
        assert answer.headers.get("location", "").startswith(HERE), path
    dora.submit("/accounts/reauthenticate/", password=PASSWORD)
    assert dora.get("/accounts/2fa/webauthn/add/").status_code == 200


def test_a_form_that_came_too_late_is_not_kept(dora: Visitor) -> None:
    """allauth would keep the whole request, with its cookie, in the session's data."""
    token = forms_of(dora.get("/accounts/sessions").text)[0][1]["csrfmiddlewaretoken"]
    answer = dora.post(
        "/accounts/2fa/recovery-codes/generate/", csrfmiddlewaretoken=token, typed="a-secret-word"
    )
    assert answer.headers["location"].startswith(HERE)
    kept = str(SessionStore(dora.cookie).load())
    assert "a-secret-word" not in kept
    assert (dora.cookie or "-") not in kept


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example/", "/\\evil.example", "/%2f/evil.example"]
)
def test_afterwards_one_stays_on_our_own_site(dora: Visitor, to: str) -> None:
    answer = dora.get(f"{HERE}?next={to}")
    assert answer.headers["location"] == "/accounts/reauthenticate/?next=%2F"
    assert dora.submit(f"/accounts/reauthenticate/?next={to}", password=PASSWORD).headers["location"] == "/"


def test_who_came_through_a_provider_is_sent_there(cast: Cast, settings: Any) -> None:
    settings.GOOGLE_CLIENT_ID = "ours"
    bob = User.objects.get(pk=cast.bob.user_id)
    connection_id = uuid4()
    visitor = signed_in(bob, Method.CONNECTION, connection_id=connection_id)
    page = visitor.get(f"{HERE}?next=%2Facme%2F").text
    assert f'href="/accounts/oidc/{connection_id}/login?confirm=1&amp;next=%2Facme%2F"' in page
    assert "Confirm with your organization" in text_of(page)
    page = signed_in(bob, Method.GOOGLE).get(f"{HERE}?next=//evil.example").text
    assert 'href="/accounts/oidc/google/login?confirm=1&amp;next=%2F"' in page
    assert "Confirm with Google" in text_of(page)


def test_no_form_confirms_for_a_provider(cast: Cast) -> None:
    """Only the demo, where nobody proves anything, confirms by a button."""
    visitor = signed_in(User.objects.get(pk=cast.bob.user_id), Method.CONNECTION, connection_id=uuid4())
    before = grow_old(visitor)
    token = forms_of(visitor.get("/accounts/sessions").text)[0][1]["csrfmiddlewaretoken"]
    answer = visitor.post(HERE, csrfmiddlewaretoken=token)
    assert answer.status_code == 200
    assert confirmed_at(visitor) == before


def test_in_the_demo_a_button_is_enough(cast: Cast, settings: Any) -> None:
    settings.DEMO_SIGN_IN = True
    visitor = signed_in(User.objects.get(pk=cast.bob.user_id), Method.DEMO)
    grow_old(visitor)
    answer = visitor.submit(f"{HERE}?next=%2Facme%2F")
    assert answer.headers["location"] == "/acme/"
    assert timezone.now() - confirmed_at(visitor) < timedelta(minutes=1)


def test_nobody_confirms_without_being_signed_in(live: Running) -> None:
    assert Visitor().get(f"{HERE}?next=%2Facme%2F").headers["location"] == "/accounts/sign-in?next=%2Facme%2F"


def test_a_session_that_ended_meanwhile_is_not_written_again(cast: Cast) -> None:
    visitor = signed_in(User.objects.get(pk=cast.bob.user_id), Method.GOOGLE)
    store = SessionStore(visitor.cookie)
    store.confirm(timezone.now())
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        store.save()
    assert not Session.objects.exists()
