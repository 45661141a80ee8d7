"""T-SSO-1 and T-SSO-2: what a hostile or broken provider may say, and that nobody gets in by it.

Seen red with: the signature unchecked (allauth's own behaviour), the nonce not compared, `tid` not compared,
userinfo's subject not compared, and people found by e-mail.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from skillport.accounts.models import Identity, Session, User
from skillport.organizations.models import By, JoinReason, JoinRequest, Kind, Membership
from skillport.scoping import within
from tests.cast import Cast
from tests.openid import Claims, Issuer, OpenIDServer, Person, new_key
from tests.skillport.sign_in.conftest import TENANT, NewBrowser, OwnProvider, admit, own_provider

GOOGLE = "/accounts/oidc/google/login?organization=acme"


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: Claims) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims)}."


def signed_with_the_public_key(issuer: Issuer) -> Callable[[Claims], str]:
    """HS256 with the provider's public key as the shared secret: anybody can make that."""

    def forge(claims: Claims) -> str:
        public = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{encoded(claims)}"
        proof = hmac.new(public, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"

    return forge


def said(**claims: Any) -> Callable[[Issuer], None]:
    def change(issuer: Issuer) -> None:
        issuer.person.claims.update(claims)

    return change


def forged(make: Callable[[Issuer], Callable[[Claims], str]]) -> Callable[[Issuer], None]:
    def change(issuer: Issuer) -> None:
        issuer.forge = make(issuer)

    return change


def about_somebody_else(issuer: Issuer) -> None:
    issuer.person.claims["email"] = ...
    issuer.person.userinfo = {"sub": "somebody-else", "email": "alice@example.org"}


# What a provider may say, by what is wrong with it.
ASSERTIONS: dict[str, Callable[[Issuer], None]] = {
    "another issuer": said(iss="https://evil.example"),
    "no issuer": said(iss=...),
    "another audience": said(aud="another-application"),
    "several audiences and no authorized party": said(aud=["ours", "another-application"]),
    "another authorized party": said(azp="another-application"),
    "expired": said(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600),
    "no expiry": said(exp=...),
    "issued in the future": said(iat=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "another nonce": said(nonce="an-earlier-one"),
    "no nonce": said(nonce=...),
    "no subject": said(sub=...),
    "an empty subject": said(sub=""),
    "a subject that is no text": said(sub=["alice"]),
    "a subject with a NUL": said(sub="ali\0ce"),
    "no signature": forged(lambda _: unsigned),
    "signed with the public key": forged(signed_with_the_public_key),
    "signed with another key": forged(lambda issuer: lambda claims: issuer.sign(claims, key=new_key())),
    "signed with a key of another name": forged(lambda issuer: lambda claims: issuer.sign(claims, kid="two")),
    "not a token": forged(lambda _: lambda _: "eyJub3Q.a.token"),
    "userinfo about somebody else": about_somebody_else,
}


def people(cast: Cast) -> tuple[int, int, int]:
    """Count sessions that are somebody's, people, and Acme's memberships."""
    with within(cast.acme):
        members = Membership.objects.for_organization(cast.acme).count()
    return Session.objects.exclude(user=None).count(), User.objects.count(), members


@pytest.mark.parametrize("wrong", ASSERTIONS)
def test_an_assertion_that_is_wrong_lets_nobody_in(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser, wrong: str
) -> None:
    issuer = acme_provider.issuer
    issuer.person = Person("newcomer", {"email": "new@acme.example"})
    before = people(cast)
    ASSERTIONS[wrong](issuer)
    visitor = browser()
    answer = visitor.sign_in(acme_provider.way)
    assert answer.status_code == 403, wrong
    assert people(cast) == before
    assert not visitor.inside("acme")


def test_the_log_says_which_check_failed_and_the_page_does_not(
    acme_provider: OwnProvider, browser: NewBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    acme_provider.issuer.person = Person("newcomer", {"nonce": "an-earlier-one"})
    with caplog.at_level("WARNING"):
        answer = browser().sign_in(acme_provider.way)
    assert [getattr(line, "why", None) for line in caplog.records] == ["nonce"]
    assert "nonce" not in answer.content.decode()


def test_the_same_person_gets_in_when_nothing_is_wrong(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser
) -> None:
    acme_provider.issuer.person = Person("newcomer", {"email": "new@acme.example", "name": "New Comer"})
    visitor = browser()
    answer = visitor.sign_in(acme_provider.way)
    assert (answer.status_code, answer["Location"]) == (302, "/acme/")  # type: ignore[index]
    principal = visitor.principal("acme")
    assert principal is not None
    assert (principal.name, principal.role) == ("New Comer", "member")


# --- Entra ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"tid": "99999999-2222-4333-8444-555555555555"},
        {"tid": ...},
        {"tid": TENANT.upper()},
        {"iss": "https://login.microsoftonline.com/common/v2.0"},
    ],
)
def test_another_tenant_is_refused(
    cast: Cast, openid: OpenIDServer, browser: NewBrowser, claims: Claims
) -> None:
    entra = own_provider(cast.alice, openid.issuer(f"entra/{TENANT}/v2.0"), kind=Kind.ENTRA)
    admit(cast.alice, entra.connection_id)
    before = people(cast)
    entra.issuer.person = Person("newcomer", {"tid": TENANT, "oid": "an-object", **claims})
    assert browser().sign_in(entra.way).status_code == 403
    assert people(cast) == before
    entra.issuer.person = Person("newcomer", {"tid": TENANT, "oid": "an-object"})
    visitor = browser()
    visitor.sign_in(entra.way)
    assert visitor.inside("acme")
    assert Identity.objects.get(subject="newcomer").directory_id == "an-object"


# --- Google -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "domain",
    [..., "", "evil.example", "ACME.EXAMPLE", "аcme.example", "acme.example.", ["acme.example"], True],
)
def test_another_domain_is_refused(cast: Cast, google: Issuer, browser: NewBrowser, domain: Any) -> None:
    """`hd` missing, other, upper case, a look-alike (the first letter is Cyrillic), or no text at all."""
    before = people(cast)
    google.person = Person("ana", {"email": "ana@acme.example", "email_verified": True, "hd": domain})
    visitor = browser()
    answer = visitor.sign_in(GOOGLE)
    assert answer.status_code == 403
    assert "Ask whoever gave you the address" in answer.content.decode()
    assert people(cast) == before


def test_the_verified_domain_lets_in(cast: Cast, google: Issuer, browser: NewBrowser) -> None:
    google.person = Person("ana", {"email": "ana@acme.example", "hd": "acme.example"})
    visitor = browser()
    visitor.sign_in(GOOGLE)
    assert visitor.inside("acme")
    assert not visitor.inside("globex")


# --- e-mail addresses are nobody ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [True, "true", "false", False, ...])
def test_a_members_address_under_another_identity_waits(
    cast: Cast, acme_provider: OwnProvider, browser: NewBrowser, verified: Any
) -> None:
    """The provider says Bob's address about a stranger: not Bob, and not in by itself either."""
    acme_provider.issuer.person = Person(
        "a-stranger", {"email": "BOB@example.org", "email_verified": verified}
    )
    visitor = browser()
    answer = visitor.sign_in(acme_provider.way)
    assert answer.status_code == 403
    assert "An administrator of the organization has to let you in first" in answer.content.decode()
    assert not visitor.inside("acme")
    with within(cast.acme):
        waiting = JoinRequest.objects.for_organization(cast.acme).get()
        assert waiting.reason == JoinReason.NEW_SUBJECT
        assert waiting.user_id != cast.bob.user_id


def test_the_same_subject_at_another_issuer_is_another_person(
    cast: Cast, acme_provider: OwnProvider, openid: OpenIDServer, browser: NewBrowser
) -> None:
    acme_provider.issuer.person = Person("alice-at-work", {"email": "a@acme.example"})
    first = browser()
    first.sign_in(acme_provider.way)
    second_provider = own_provider(cast.alice, openid.issuer("second"))
    admit(cast.alice, second_provider.connection_id)
    second_provider.issuer.person = Person("alice-at-work", {"email": "other@acme.example"})
    second = browser()
    second.sign_in(second_provider.way)
    one, two = first.principal("acme"), second.principal("acme")
    assert one is not None
    assert two is not None
    assert one.user_id != two.user_id


def test_an_organizations_provider_vouches_in_that_organization_only(
    cast: Cast, acme_provider: OwnProvider, openid: OpenIDServer, browser: NewBrowser
) -> None:
    """T-SSO-2: Globex's own provider asserts the very person who is a member of Acme; and its e-mail besides."""
    acme_provider.issuer.person = Person("ana", {"email": "ana@acme.example"})
    ana = browser()
    ana.sign_in(acme_provider.way)
    assert ana.inside("acme")
    # Globex names the same issuer, so the identity is Ana's; its client is Globex's own.
    hostile = own_provider(cast.charlie, acme_provider.issuer)
    admit(cast.charlie, hostile.connection_id)
    taken = browser()
    taken.sign_in(hostile.way)
    assert taken.inside("globex")
    assert not taken.inside("acme"), "what Globex's connection asserts counts in Globex"
    # And a provider of its own says Alice's address.
    evil = own_provider(cast.charlie, openid.issuer("evil"))
    admit(cast.charlie, evil.connection_id)
    evil.issuer.person = Person("mallory", {"email": "alice@example.org", "email_verified": True})
    mallory = browser()
    mallory.sign_in(evil.way)
    assert not mallory.inside("acme")
    principal = mallory.principal("globex")
    assert principal is not None
    assert principal.user_id != cast.alice.user_id


def test_a_group_that_is_not_said_lets_nobody_in(
    cast: Cast, openid: OpenIDServer, browser: NewBrowser
) -> None:
    provider = own_provider(cast.alice, openid.issuer("groups"), groups_claim="groups")
    admit(cast.alice, provider.connection_id, by=By.GROUP, value="skills-users")
    for groups in (..., [], "skills", ["Skills-Users"], {"skills-users": True}, ["skills-users\0"]):
        provider.issuer.person = Person("ana", {"email": "ana@acme.example", "groups": groups})
        visitor = browser()
        assert visitor.sign_in(provider.way).status_code == 403, groups
        assert not visitor.inside("acme")
