"""A person sees their own sessions and ends them; an ended one is gone by the next request."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from skillport.accounts.browsers import name_of_browser
from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import digest
from tests.cast import Cast, make_cast
from tests.running import Running
from tests.signing_in import inside
from tests.sockets import open_socket
from tests.visiting import Visitor, forms_of, signed_in, text_of
from tests.watching import present_state

HERE = "/accounts/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"


@pytest.fixture
def cast(live: Running, settings: Any) -> Cast:
    settings.DEMO_SIGN_IN = True
    return make_cast()


@pytest.fixture
def bob(cast: Cast) -> User:
    return User.objects.get(pk=cast.bob.user_id)


def come(person: User) -> Visitor:
    return signed_in(person, Method.DEMO)


def is_known(visitor: Visitor) -> bool:
    """Tell whether Acme's doors and our own pages still know the visitor."""
    known = inside(visitor.cookie) is not None
    assert known == (visitor.get(HERE).status_code == 200)
    return known


def id_of(visitor: Visitor) -> str:
    assert visitor.cookie
    return digest(visitor.cookie)


def test_each_session_says_how_since_when_and_from_where(bob: User) -> None:
    here, there = come(bob), come(bob)
    Session.objects.filter(pk=id_of(there)).update(
        user_agent=FIREFOX, address="203.0.113.9", method=Method.DEMO
    )
    page = text_of(here.get(HERE).text)
    assert "this one" in page
    assert "Firefox on Linux" in page
    assert "203.0.113.9" in page
    assert "the demo" in page
    assert page.count("last seen") == 2


def test_nobody_sees_or_ends_another_persons_sessions(cast: Cast, bob: User) -> None:
    here, alices = come(bob), come(User.objects.get(pk=cast.alice.user_id))
    assert id_of(alices) not in here.get(HERE).text
    token = forms_of(here.get(HERE).text)[0][1]["csrfmiddlewaretoken"]
    for session_id in (id_of(alices), alices.cookie or "", "0" * 64, "", "\x00", "x" * 5000):
        answer = here.post(f"{HERE}/end", session=session_id, csrfmiddlewaretoken=token)
        assert (answer.status_code, answer.headers.get("location")) == (302, HERE)
    assert is_known(alices)
    assert is_known(here)


def test_one_session_is_ended(bob: User) -> None:
    here, there, third = come(bob), come(bob), come(bob)
    page = here.get(HERE).text
    fields = next(hidden for _, hidden in forms_of(page) if hidden.get("session") == id_of(there))
    assert here.post(f"{HERE}/end", **fields).status_code == 302
    assert (is_known(here), is_known(there), is_known(third)) == (True, False, True)


def test_all_others_are_ended(bob: User) -> None:
    here, there, third = come(bob), come(bob), come(bob)
    here.submit(HERE, to=f"{HERE}/end-others")
    assert (is_known(here), is_known(there), is_known(third)) == (True, False, False)


def test_signing_out_everywhere_ends_this_one_too(cast: Cast, bob: User) -> None:
    here, there, alices = come(bob), come(bob), come(User.objects.get(pk=cast.alice.user_id))
    cookie = here.cookie
    here.submit(HERE, to=f"{HERE}/end-all")
    assert inside(cookie) is None
    assert (is_known(there), is_known(alices)) == (False, True)
    assert not Session.objects.filter(user=bob).exists()


def test_it_takes_a_session_and_a_form_of_ours(bob: User) -> None:
    here = come(bob)
    for address in (HERE, f"{HERE}/end", f"{HERE}/end-others", f"{HERE}/end-all"):
        assert here.post(address).status_code in {403, 405}
        if address != HERE:
            assert here.get(address).status_code == 405
    assert Visitor().get(HERE).headers["location"] == "/accounts/sign-in?next=%2Faccounts%2Fsessions"
    assert is_known(here)


def test_when_a_session_was_last_seen_is_noted_every_five_minutes(bob: User) -> None:
    here = come(bob)

    def seen_before(ago: timedelta) -> bool:
        """Tell whether a request notes itself when the one before it was so long ago."""
        before = timezone.now() - ago
        Session.objects.filter(pk=id_of(here)).update(last_seen_at=before)
        here.get("/")
        return Session.objects.get(pk=id_of(here)).last_seen_at > before

    assert not seen_before(timedelta(minutes=4))
    assert seen_before(timedelta(minutes=6))


def test_being_seen_does_not_lengthen_a_session(bob: User) -> None:
    here = come(bob)
    ends = Session.objects.get(pk=id_of(here)).expire_date
    Session.objects.filter(pk=id_of(here)).update(last_seen_at=timezone.now() - timedelta(hours=1))
    here.get("/")
    assert Session.objects.get(pk=id_of(here)).expire_date == ends


def test_a_session_of_a_way_that_was_switched_off_ends(bob: User, settings: Any) -> None:
    here = come(bob)
    settings.DEMO_SIGN_IN = False
    assert not is_known(here)
    assert not Session.objects.filter(user=bob).exists()


# --- websockets -------------------------------------------------------------------------------------------------------


def watch(visitor: Visitor, origin: str | None = settings.SITE_URL) -> ClientConnection:
    address = settings.SITE_URL.replace("http", "ws") + "/ws/acme/sync"
    cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={visitor.cookie}"}
    return open_socket(address, additional_headers=cookie, origin=origin)


def test_an_ended_session_puts_its_websocket_out_within_a_second(bob: User) -> None:
    here, there = come(bob), come(bob)
    with watch(there) as socket:
        present_state(socket)
        here.submit(HERE, to=f"{HERE}/end-others")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_no_other_sites_page_opens_a_websocket_with_the_cookie(cast: Cast, bob: User) -> None:
    """Cross-site websocket hijacking: the browser sends the cookie, and says whose page it is."""
    here = come(bob)
    with watch(here):
        pass  # ours does
    strangers = [
        "https://evil.example",
        f"{settings.SITE_URL}.evil.example",
        "null",
        settings.SITE_URL + "/",
        None,
    ]
    for origin in strangers:
        with pytest.raises((InvalidStatus, ConnectionClosed)), watch(here, origin) as socket:
            socket.recv(timeout=5)
    charlie = come(User.objects.get(pk=cast.charlie.user_id))
    with pytest.raises((InvalidStatus, ConnectionClosed)), watch(charlie) as socket:
        socket.recv(timeout=5)


# --- names of browsers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0",
         "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15",
         "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) CriOS/150.0 Mobile/15E148 Safari/604.1",
         "Chrome on iPhone"),
        ("curl/8.9.0", "curl"),
        ("", "Another browser"),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_people_know_it(said: str, name: str) -> None:
    assert name_of_browser(said) == name
