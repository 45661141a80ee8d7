"""Owners are made and unmade by people who proved just now who they are, and never by a key."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from skillport.accounts.models import Identity, User
from skillport.organizations.models import Kind, SignInConnection
from skillport.organizations.services import connections, invitations, members
from skillport.organizations.services.connections import WouldLockOut, accept_google
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal, Role, Scope
from skillport.scoping import within
from tests.cast import Cast, principal
from tests.signing_in import cookie_of, inside


def at(door: Door, who: Principal, *, minutes_ago: int = 0) -> Principal:
    return replace(
        who, door=door, scopes=frozenset(Scope), confirmed_at=timezone.now() - timedelta(minutes=minutes_ago)
    )


def test_no_key_makes_or_unmakes_an_owner(cast: Cast) -> None:
    key, now = at(Door.API, cast.alice), timezone.now()
    with pytest.raises(NotAllowed, match="No key"):
        members.change_role(principal=key, membership_id=cast.bob.membership_id, role=Role.OWNER, now=now)
    with pytest.raises(NotAllowed, match="No key"):
        invitations.create_invitation(principal=key, email="x@example.org", role=Role.OWNER, now=now)
    members.change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.OWNER, now=now)
    with pytest.raises(NotAllowed, match="No key"):
        members.remove_member(principal=key, membership_id=cast.bob.membership_id, now=now)
    with pytest.raises(NotAllowed, match="No key"):
        members.remove_member(principal=key, membership_id=cast.alice.membership_id, now=now)
    assert principal(cast.acme, cast.alice.user_id).role is Role.OWNER


def test_a_key_removes_its_own_member_only_if_it_may_manage_members(cast: Cast) -> None:
    reading = replace(at(Door.API, cast.bob), scopes=frozenset({Scope.SKILLS_READ}))
    with pytest.raises(NotAllowed):
        members.remove_member(principal=reading, membership_id=cast.bob.membership_id, now=timezone.now())
    leaving = at(Door.PAGE, cast.bob)
    members.remove_member(principal=leaving, membership_id=cast.bob.membership_id, now=timezone.now())


def test_a_person_makes_owners_after_a_step_up(cast: Cast) -> None:
    now = timezone.now()
    with pytest.raises(StepUpRequired):
        members.change_role(
            principal=at(Door.PAGE, cast.alice, minutes_ago=11),
            membership_id=cast.bob.membership_id, role=Role.OWNER, now=now,
        )  # fmt: skip
    members.change_role(
        principal=at(Door.PAGE, cast.alice, minutes_ago=9),
        membership_id=cast.bob.membership_id, role=Role.OWNER, now=now,
    )  # fmt: skip
    assert principal(cast.acme, cast.bob.user_id).role is Role.OWNER


# --- the last way in ----------------------------------------------------------------------------------------------------


def with_password(who: Principal) -> None:
    user = User.objects.get(pk=who.user_id)
    user.set_password("correct horse battery staple")
    user.save()


def test_local_accounts_stay_while_the_owners_know_no_other_way(cast: Cast) -> None:
    with_password(cast.alice)
    google = accept_google(cast.acme)
    now = timezone.now()
    with pytest.raises(WouldLockOut):
        connections.allow_local_accounts(principal=cast.alice, allowed=False, now=now)
    assert inside(cookie_of(cast.alice.user_id)) is not None
    Identity.objects.create(user_id=cast.alice.user_id, issuer="https://elsewhere.example", subject="a")
    with pytest.raises(WouldLockOut):
        connections.allow_local_accounts(principal=cast.alice, allowed=False, now=now)
    from django.conf import settings

    Identity.objects.create(user_id=cast.alice.user_id, issuer=settings.GOOGLE_ISSUER, subject="a")
    connections.allow_local_accounts(principal=cast.alice, allowed=False, now=now)
    with pytest.raises(WouldLockOut):
        connections.enable_connection(principal=cast.alice, connection_id=google.pk, enabled=False, now=now)


def test_the_last_connection_of_the_owners_stays_and_another_may_go(cast: Cast) -> None:
    with within(cast.acme):
        used, unused = (
            SignInConnection.objects.create(
                organization=cast.acme, kind=Kind.OIDC, name=host, issuer=f"https://{host}", client_id="c"
            )
            for host in ("used.example", "unused.example")
        )
    Identity.objects.create(user_id=cast.alice.user_id, issuer="https://used.example", subject="a")
    now = timezone.now()
    with pytest.raises(WouldLockOut):
        connections.delete_connection(principal=cast.alice, connection_id=used.pk, now=now)
    connections.delete_connection(principal=cast.alice, connection_id=unused.pk, now=now)
