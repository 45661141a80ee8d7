"""Signing in with a password: never without a second factor, and never more than what is mounted."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core import signing
from django.core.signing import BadSignature
from django.urls import get_resolver

from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import SessionStore, digest
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.organizations.models import Organization
from skillport.organizations.services.members import add_member
from skillport.principal import Role
from skillport.scoping import within
from skillport.sign_in.adapters import MFAAdapter
from tests.cast import Cast, make_cast
from tests.running import Running
from tests.signing_in import inside
from tests.skillport.local_accounts.local import (
    APP,
    FACTORS,
    PASSWORD,
    SIGN_IN,
    come_in,
    give_password,
    make_person,
    set_up_app,
)
from tests.visiting import Visitor, forms_of, signed_in, text_of


@pytest.fixture
def cast(live: Running) -> Cast:
    return make_cast()


@pytest.fixture
def dora(cast: Cast) -> User:
    """A member of Acme with a local account and no second factor yet."""
    person = make_person("dora")
    add_member(organization=cast.acme, user=person, role=Role.MEMBER, actor=cast.alice)
    return person


def session_row(visitor: Visitor) -> Session:
    assert visitor.cookie
    return Session.objects.get(pk=digest(visitor.cookie))


def test_a_password_alone_opens_only_the_second_factor(dora: User) -> None:
    visitor = Visitor()
    assert give_password(visitor).status_code == 302
    assert not inside(visitor.cookie)
    assert session_row(visitor).method == ""
    for path in (
        "/",
        "/acme/",
        "/new",
        "/accounts/sessions",
        "/accounts/password/change/",
        "/accounts/confirm",
        SIGN_IN,
    ):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (302, FACTORS), path
        answer = visitor.post(path, csrfmiddlewaretoken="x")
        assert (answer.status_code, answer.headers.get("location")) == (302, FACTORS), path
    page = text_of(visitor.get(FACTORS).text)
    assert "One step is left" in page


def test_setting_up_a_second_factor_lets_one_in(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    before = visitor.cookie
    codes = set_up_app(visitor)
    assert len(codes) == 10
    assert inside(visitor.cookie)
    assert visitor.cookie != before, "the session's id changes with what it may do"
    session = session_row(visitor)
    assert (session.method, session.user_id) == (Method.LOCAL, dora.pk)
    assert visitor.get("/accounts/sessions").status_code == 200


def test_whoever_else_knew_the_password_is_put_out_when_the_factor_is_set_up(dora: User) -> None:
    thief, owner = Visitor(), Visitor()
    give_password(thief)
    give_password(owner)
    set_up_app(owner)
    assert not inside(thief.cookie)
    assert thief.get(FACTORS).headers["location"].startswith(settings.LOGIN_URL)
    assert give_password(thief).headers["location"] == "/accounts/2fa/authenticate/"


def test_with_a_second_factor_a_password_is_half_the_way(dora: User) -> None:
    visitor, again = Visitor(), Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    assert give_password(again).headers["location"] == "/accounts/2fa/authenticate/"
    assert not inside(again.cookie)
    for path in ("/accounts/sessions", FACTORS, APP):
        assert again.get(path).status_code == 302, path
    answer = again.submit("/accounts/2fa/authenticate/", code="00000000")
    assert answer.status_code == 200
    assert not inside(again.cookie)
    answer = again.submit("/accounts/2fa/authenticate/", code=codes[0])
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert inside(again.cookie)


def test_a_recovery_code_works_once(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    assert come_in(Visitor(), "dora", codes[3]).status_code == 302
    second = Visitor()
    assert come_in(second, "dora", codes[3]).status_code == 200
    assert not inside(second.cookie)


def test_where_somebody_goes_after_signing_in_is_on_our_own_site(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    for number, (wanted, there) in enumerate(
        [
            ("/acme/?q=csv", "/acme/?q=csv"),
            ("//evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("/\\evil.example", "/"),
        ]
    ):
        other = Visitor()
        to = quote(wanted, safe="")
        other.submit(f"{SIGN_IN}?next={to}", to=SIGN_IN, login="dora", password=PASSWORD)
        answer = other.submit("/accounts/2fa/authenticate/", code=codes[number])
        assert answer.headers["location"] == there


def test_an_organization_that_wants_no_passwords_lets_no_local_account_in(cast: Cast, dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    Organization.objects.filter(pk=cast.acme.pk).update(local_accounts=False)
    assert not inside(visitor.cookie)


def test_a_sign_in_is_recorded_where_it_counts_and_nowhere_else(cast: Cast, dora: User) -> None:
    add_member(organization=cast.globex, user=dora, role=Role.MEMBER, actor=cast.charlie)
    Organization.objects.filter(pk=cast.globex.pk).update(local_accounts=False)
    visitor = Visitor()
    give_password(visitor)
    assert recorded(cast.acme) == []
    codes = set_up_app(visitor)
    assert recorded(cast.acme) == [str(dora.pk)]
    come_in(Visitor(), "dora", codes[0])
    assert recorded(cast.acme) == [str(dora.pk)] * 2
    assert recorded(cast.globex) == []


def recorded(organization: Organization) -> list[str]:
    with within(organization):
        events = AuditEvent.objects.for_organization(organization).filter(action=Action.SIGNED_IN)
        return [event.details["person"] for event in events]


def test_switched_off_for_the_deployment_nothing_of_local_accounts_answers(
    dora: User, settings: pytest.FixtureRequest
) -> None:
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    settings.LOCAL_ACCOUNTS = False  # type: ignore[attr-defined]
    assert not inside(visitor.cookie)
    answer = Visitor().get(SIGN_IN)
    assert answer.status_code == 404
    assert "switched that off" in text_of(answer.text)
    assert Visitor().get("/accounts/2fa/webauthn/login/").status_code == 404
    assert visitor.get("/accounts/sessions").headers["location"].startswith("/accounts/sign-in"), (
        "it was ended"
    )
    assert not Session.objects.filter(user=dora).exists()


def test_a_wrong_name_and_a_wrong_password_are_told_the_same(dora: User) -> None:
    told = {
        text_of(give_password(Visitor(), handle, password).text)
        for handle, password in [
            ("dora", "not it at all, no"),
            ("nobody", PASSWORD),
            ("DORA", "not it at all, no"),
        ]
    }
    assert len(told) == 1
    assert "The sign-in name or the password is not right" in told.pop()


def test_nobody_signs_in_by_an_e_mail_address(cast: Cast, dora: User) -> None:
    User.objects.filter(pk=dora.pk).update(email="dora@example.org")
    assert give_password(Visitor(), "dora@example.org").status_code == 200


def test_an_account_without_a_password_cannot_be_signed_in_to(cast: Cast) -> None:
    alice = User.objects.get(pk=cast.alice.user_id)
    for password in ("", "x", alice.handle):
        assert give_password(Visitor(), alice.handle, password).status_code == 200


def test_a_person_who_was_switched_off_stays_out(dora: User) -> None:
    User.objects.filter(pk=dora.pk).update(is_active=False)
    answer = give_password(Visitor())
    assert answer.status_code == 403
    assert "switched off" in text_of(answer.text)


def test_guessing_is_limited_for_each_account_and_for_each_address(dora: User) -> None:
    answers = [give_password(Visitor(), "dora", f"guess number {number} of many") for number in range(6)]
    assert "Too many attempts" not in text_of(answers[4].text)
    assert "Too many attempts" in text_of(answers[5].text)
    assert "Too many attempts" in text_of(give_password(Visitor()).text), "even with the right password"
    make_person("emil")
    others = [give_password(Visitor(), f"nobody-{number}") for number in range(6)]
    assert "Too many attempts" in text_of(others[-1].text), "one address, many names"


def test_guesses_at_the_same_time_are_counted_one_by_one(dora: User) -> None:
    """Each request may run in a process of its own: the count is in the database."""
    with ThreadPoolExecutor(12) as together:
        guesses = [f"guess number {number} of many" for number in range(12)]
        answers = list(together.map(lambda guess: give_password(Visitor(), password=guess), guesses))
    looked_at = [answer for answer in answers if "is not right" in text_of(answer.text)]
    assert 1 <= len(looked_at) <= 5


def test_one_address_gives_no_more_than_thirty_forms_a_minute(live: Running) -> None:
    visitor = Visitor()
    token = forms_of(visitor.get(SIGN_IN).text)[0][1]["csrfmiddlewaretoken"]
    for _ in range(30):
        assert visitor.post(SIGN_IN, csrfmiddlewaretoken=token).status_code == 200
    answer = visitor.post(SIGN_IN, csrfmiddlewaretoken=token)
    assert answer.status_code == 429
    assert "Too fast" in text_of(answer.text)


def test_guessing_a_second_factor_is_limited(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    guesser = Visitor()
    give_password(guesser)
    for number in range(6):
        answer = guesser.submit("/accounts/2fa/authenticate/", code=f"{number:08}")
    assert "Too many attempts" in text_of(answer.text)
    assert "Too many attempts" in text_of(guesser.submit("/accounts/2fa/authenticate/", code=codes[0]).text)
    assert not inside(guesser.cookie)


def test_the_last_second_factor_cannot_be_removed(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    assert "Remove the app" not in visitor.get(FACTORS).text
    answer = visitor.submit("/accounts/2fa/totp/deactivate/")
    assert answer.status_code == 409
    assert Authenticator.objects.filter(user=dora, type=Authenticator.Type.TOTP).exists()


def test_a_changed_password_ends_every_other_session(dora: User) -> None:
    visitor, other = Visitor(), Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    come_in(other, "dora", codes[0])
    new = "a different harbour at night"
    answer = visitor.submit("/accounts/password/change/", oldpassword=PASSWORD, password1=new, password2=new)
    assert answer.headers["location"] == "/accounts/sessions"
    assert inside(visitor.cookie)
    assert not inside(other.cookie)
    assert give_password(Visitor()).status_code == 200
    assert give_password(Visitor(), password=new).status_code == 302


def test_a_new_password_is_as_good_as_the_first_had_to_be(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    for bad in ("short", "1q2w3e4r5t6y7u8i9o0p"):
        answer = visitor.submit(
            "/accounts/password/change/", oldpassword=PASSWORD, password1=bad, password2=bad
        )
        assert answer.status_code == 200, bad
    answer = visitor.submit(
        "/accounts/password/change/", oldpassword="no", password1=PASSWORD, password2=PASSWORD
    )
    assert answer.status_code == 200


def test_signing_out_takes_a_form_of_ours(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    assert visitor.get("/accounts/logout/").status_code == 405
    assert visitor.post("/accounts/logout/").status_code == 403
    assert inside(visitor.cookie)
    cookie = visitor.cookie
    visitor.submit("/accounts/sessions", to="/accounts/logout/")
    assert inside(cookie) is None


def test_who_came_through_a_provider_cannot_add_a_way_around_it(cast: Cast) -> None:
    visitor = signed_in(User.objects.get(pk=cast.bob.user_id), Method.CONNECTION)
    for path in (
        FACTORS,
        APP,
        "/accounts/2fa/webauthn/add/",
        "/accounts/password/change/",
        "/accounts/reauthenticate/",
    ):
        for answer in (visitor.get(path), visitor.post(path)):
            assert answer.status_code in {403, 404}, path
    assert not Authenticator.objects.exists()


def test_only_the_listed_pages_of_allauth_are_mounted() -> None:
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    assert {name for name in names if name.startswith(("account_", "mfa_", "socialaccount_"))} == {
        "account_change_password", "account_login", "account_logout", "account_reauthenticate", "mfa_activate_totp",
        "mfa_add_webauthn", "mfa_authenticate", "mfa_deactivate_totp", "mfa_download_recovery_codes",
        "mfa_edit_webauthn", "mfa_generate_recovery_codes", "mfa_index", "mfa_list_webauthn", "mfa_login_webauthn",
        "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_remove_webauthn", "mfa_view_recovery_codes",
    }  # fmt: skip


def test_secrets_of_second_factors_are_sealed(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    codes = set_up_app(visitor)
    kept = " ".join(str(row) for row in Authenticator.objects.values_list("data", flat=True))
    assert not any(code in kept for code in codes)
    totp = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    sealed = totp.data["secret"]
    opened = MFAAdapter().decrypt(sealed)
    assert re.fullmatch(r"[A-Z2-7]{32}", opened)
    assert opened not in kept


def test_a_second_factor_that_is_being_set_up_is_sealed_in_its_session(dora: User) -> None:
    visitor = Visitor()
    give_password(visitor)
    shown = re.search(r"<code>([A-Z2-7]{32})</code>", visitor.get(APP).text)
    assert shown
    row = Session.objects.get(user=dora)
    with pytest.raises(BadSignature):  # which is how Django's own store keeps it: for everybody to read
        signing.loads(row.session_data, salt=SessionStore().key_salt)
    assert shown[1].encode() not in base64.b64decode(row.session_data)
    Session.objects.filter(pk=row.pk).update(session_data="QUJD")
    assert visitor.get("/accounts/sessions").headers["location"].startswith("/accounts/sign-in"), "nobody's"


def test_every_page_of_local_accounts_shows(dora: User) -> None:
    """With the names that allauth's own templates would look up, and with nothing inline."""
    visitor = Visitor()
    give_password(visitor)
    set_up_app(visitor)
    for path in (
        FACTORS, "/accounts/2fa/totp/deactivate/", "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/generate/", "/accounts/2fa/recovery-codes/download/", "/accounts/2fa/webauthn/",
        "/accounts/2fa/webauthn/add/", "/accounts/password/change/", "/accounts/reauthenticate/",
        "/accounts/2fa/reauthenticate/", "/accounts/sessions",
    ):  # fmt: skip
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        assert "style=" not in answer.text, path
        assert "onclick" not in answer.text, path
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "data:" not in policy
