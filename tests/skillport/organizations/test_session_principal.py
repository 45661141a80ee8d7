"""For which organizations a session counts: each condition by itself, taken away one at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from skillport.accounts.models import Method, Session, User
from skillport.accounts.sessions import SessionStore
from skillport.organizations.models import Kind, Membership, Organization, SignInConnection
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.members import add_member, end_membership
from skillport.principal import Role, SystemActor
from skillport.scoping import within
from tests.cast import Cast, principal
from tests.signing_in import cookie_of, inside


def test_a_session_is_its_persons_in_their_organization_and_in_no_other(cast: Cast) -> None:
    cookie = cookie_of(cast.bob.user_id)
    found = inside(cookie)
    assert found is not None
    assert (found.user_id, found.membership_id, found.role) == (
        cast.bob.user_id,
        cast.bob.membership_id,
        "member",
    )
    assert inside(cookie, "globex") is None
    assert inside(cookie, "not-there") is None
    assert inside("") is None
    assert inside("x" * 32) is None


def test_what_the_database_holds_is_no_cookie(cast: Cast) -> None:
    cookie_of(cast.bob.user_id)
    stored = Session.objects.get().session_key
    assert inside(stored) is None


def a_member_who_left(cast: Cast) -> None:
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)


def somebody_invited_again(cast: Cast) -> None:
    a_member_who_left(cast)
    user = User.objects.get(pk=cast.bob.user_id)
    add_member(organization=cast.acme, user=user, role=Role.OWNER, actor=cast.alice)


def a_person_switched_off(cast: Cast) -> None:
    User.objects.filter(pk=cast.bob.user_id).update(is_active=False)


def an_expired_session(_: Cast) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def a_session_older_than_the_organization_allows(_: Cast) -> None:
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=12, seconds=1))


def a_session_ended(_: Cast) -> None:
    Session.objects.all().delete()


def local_accounts_not_allowed_here(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(local_accounts=False)


def an_organization_being_deleted(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(closing_at=timezone.now() + timedelta(days=7))


def an_organization_deleted(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.acme.pk).update(closed_at=timezone.now())


def a_method_that_nobody_knows(_: Cast) -> None:
    Session.objects.update(method="magic")


@pytest.mark.parametrize(
    "ends",
    [
        a_member_who_left, somebody_invited_again, a_person_switched_off, an_expired_session,
        a_session_older_than_the_organization_allows, a_session_ended, local_accounts_not_allowed_here,
        an_organization_being_deleted, an_organization_deleted, a_method_that_nobody_knows,
    ],
)  # fmt: skip
def test_a_session_counts_only_while_all_of_this_holds(cast: Cast, ends: Callable[[Cast], None]) -> None:
    cookie = cookie_of(cast.bob.user_id)
    assert inside(cookie) is not None
    ends(cast)
    assert inside(cookie) is None


def test_who_is_invited_again_gets_in_by_signing_in_again(cast: Cast) -> None:
    old = cookie_of(cast.bob.user_id)
    somebody_invited_again(cast)
    assert inside(old) is None
    found = inside(cookie_of(cast.bob.user_id))
    assert found is not None
    assert found.membership_id != cast.bob.membership_id


def test_the_session_in_which_a_membership_began_counts_although_it_is_older(cast: Cast) -> None:
    cookie, other = cookie_of(cast.charlie.user_id), cookie_of(cast.charlie.user_id)
    key = Session.objects.order_by("authenticated_at").first()
    assert key is not None
    user = User.objects.get(pk=cast.charlie.user_id)
    actor = SystemActor(organization_id=cast.acme.pk, what="test")
    add_member(
        organization=cast.acme, user=user, role=Role.MEMBER, actor=actor, begun_in_session=key.session_key
    )
    assert inside(cookie) is not None
    assert inside(other) is None


def test_each_organization_sets_how_long_sessions_last(cast: Cast) -> None:
    cookie = cookie_of(cast.bob.user_id)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=2))
    with within(cast.acme):
        Membership.objects.for_organization(cast.acme).update(began_at=timezone.now() - timedelta(days=1))
    assert inside(cookie) is not None
    Organization.objects.filter(pk=cast.acme.pk).update(session_hours=1)
    assert inside(cookie) is None


def test_google_counts_where_it_is_accepted(cast: Cast) -> None:
    cookie = cookie_of(cast.bob.user_id, method=Method.GOOGLE)
    assert inside(cookie) is None
    row = accept_google(cast.acme)
    assert inside(cookie) is not None
    with within(cast.acme):
        SignInConnection.objects.for_organization(cast.acme).filter(pk=row.pk).update(enabled=False)
    assert inside(cookie) is None
    accept_google(cast.globex)
    assert inside(cookie) is None, "another organization's word changes nothing"


def test_a_connection_vouches_for_its_own_organization_only(cast: Cast) -> None:
    """Charlie is a member of both; Globex's provider vouched for this session."""
    user = User.objects.get(pk=cast.charlie.user_id)
    add_member(organization=cast.acme, user=user, role=Role.OWNER, actor=cast.alice)
    with within(cast.globex):
        row = SignInConnection.objects.create(
            organization=cast.globex, kind=Kind.OIDC, name="x", issuer="https://id.example", client_id="c"
        )
    cookie = cookie_of(cast.charlie.user_id, method=Method.CONNECTION, connection_id=row.pk)
    assert inside(cookie, "globex") is not None
    assert inside(cookie, "acme") is None


def test_local_accounts_can_be_switched_off_for_the_deployment(cast: Cast, settings: Any) -> None:
    cookie = cookie_of(cast.bob.user_id)
    settings.LOCAL_ACCOUNTS = False
    assert inside(cookie) is None


def test_owners_get_in_while_their_organization_is_being_deleted(cast: Cast) -> None:
    an_organization_being_deleted(cast)
    assert inside(cookie_of(cast.alice.user_id)) is not None
    assert principal(cast.acme, cast.bob.user_id)
    assert inside(cookie_of(cast.bob.user_id)) is None


def test_a_session_that_was_ended_cannot_be_saved_again(cast: Cast) -> None:
    """A request that was under way while somebody ended the session must not bring it back."""
    from django.contrib.sessions.backends.base import UpdateError

    store = SessionStore(cookie_of(cast.bob.user_id))
    assert store.signed_in
    Session.objects.all().delete()
    store["more"] = 1
    with pytest.raises(UpdateError):
        store.save()
    assert not Session.objects.exists()
