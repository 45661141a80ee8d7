"""API keys that people make for themselves, and who may end them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from connector.credentials import Unauthenticated, principal_of_bearer
from connector.install import api_keys
from connector.install.api_keys import KeyRefused, list_api_keys, make_own_key, revoke_key
from connector.models import ApiKey
from skillport.accounts.models import User
from skillport.errors import NotFound
from skillport.organizations.services.members import add_member, change_role, end_membership
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal, Role, Scope, SystemActor
from skillport.scoping import within
from tests.cast import Cast, principal

READ = frozenset({Scope.SKILLS_READ})


def make(who: Principal, scopes: frozenset[Scope] = READ, days: int = 30, name: str = "CI") -> str:
    return make_own_key(principal=who, name=name, scopes=scopes, days=days, now=timezone.now()).plain_secret


def key_ids(who: Principal) -> list[UUID]:
    return [key.id for key in list_api_keys(principal=who)]


def works(secret: str, slug: str = "acme") -> bool:
    try:
        principal_of_bearer(header=f"Bearer {secret}", slug=slug, door=Door.API)
    except Unauthenticated:
        return False
    return True


def test_a_person_makes_lists_and_revokes_their_own_keys(cast: Cast) -> None:
    secret = make(cast.bob, name=" CI ")
    assert works(secret)
    (shown,) = list_api_keys(principal=cast.bob)
    assert (shown.name, shown.last_four, shown.scopes) == ("CI", secret[-4:], ("skills:read",))
    assert shown.expires_at is not None
    assert timedelta(days=29) < shown.expires_at - timezone.now() <= timedelta(days=30)
    assert list_api_keys(principal=cast.alice) == []
    revoke_key(principal=cast.bob, key_id=shown.id)
    assert not works(secret)
    assert list_api_keys(principal=cast.bob) == []
    with pytest.raises(NotFound):
        revoke_key(principal=cast.bob, key_id=shown.id)


def test_a_key_may_never_do_more_than_its_owner(cast: Cast) -> None:
    for scope in (Scope.MEMBERS_READ, Scope.MEMBERS_MANAGE, Scope.SIGN_IN_MANAGE, Scope.MARKETPLACES_MANAGE):
        with pytest.raises(KeyRefused, match=scope.value):
            make(cast.bob, frozenset({Scope.SKILLS_READ, scope}))
        assert works(make(cast.alice, frozenset({scope})))
    narrow = replace(cast.alice, scopes=READ)
    with pytest.raises(KeyRefused, match="connector"):
        make(narrow, frozenset({Scope.CONNECTOR}))


def test_a_key_needs_a_name_an_end_and_something_to_do(cast: Cast) -> None:
    for days in (0, -1, 366):
        with pytest.raises(KeyRefused, match="365"):
            make(cast.bob, days=days)
    for name in ("", " ", "x" * 101, "two\nlines"):
        with pytest.raises(KeyRefused, match="name"):
            make(cast.bob, name=name)
    with pytest.raises(KeyRefused, match="at least one"):
        make(cast.bob, frozenset())


def test_there_is_an_end_to_how_many_keys_somebody_has(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 1)
    make(cast.bob)
    with pytest.raises(KeyRefused, match="1 keys"):
        make(cast.bob)
    make(cast.alice)


def test_a_key_is_made_after_a_step_up_only(cast: Cast) -> None:
    now = timezone.now()
    stale = replace(cast.bob, door=Door.PAGE, confirmed_at=now - timedelta(minutes=11))
    with pytest.raises(StepUpRequired):
        make(stale)
    assert works(make(replace(stale, confirmed_at=now)))


def test_who_manages_members_ends_the_keys_of_those_within_reach(cast: Cast) -> None:
    bobs, alices = make(cast.bob), make(cast.alice)
    dora = User.objects.create(email="dora@example.org", name="Dora")
    actor = SystemActor(organization_id=cast.acme.pk, what="test")
    add_member(organization=cast.acme, user=dora, role=Role.ADMIN, actor=actor)
    admin = principal(cast.acme, dora.pk)
    (alices_key,), (bobs_key,) = key_ids(cast.alice), key_ids(cast.bob)
    with pytest.raises(NotAllowed):
        revoke_key(principal=admin, key_id=alices_key)
    assert works(alices)
    assert [key.id for key in list_api_keys(principal=admin, membership_id=cast.bob.membership_id)] == [
        bobs_key
    ]
    revoke_key(principal=admin, key_id=bobs_key)
    assert not works(bobs)


def test_another_members_key_is_not_there_for_a_member(cast: Cast) -> None:
    make(cast.alice)
    (alices,) = key_ids(cast.alice)
    for key_id in (alices, uuid4()):
        for who in (cast.bob, cast.charlie):
            with pytest.raises(NotFound):
                revoke_key(principal=who, key_id=key_id)
    with pytest.raises(NotAllowed):
        list_api_keys(principal=cast.bob, membership_id=cast.alice.membership_id)
    with pytest.raises(NotFound):
        list_api_keys(principal=cast.charlie, membership_id=cast.alice.membership_id)
    assert key_ids(cast.alice) == [alices]


def test_keys_that_are_over_are_not_listed(cast: Cast) -> None:
    make(cast.bob)
    with within(cast.acme):
        keys = ApiKey.objects.for_organization(cast.acme)
        keys.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert key_ids(cast.bob) == []
    make(cast.bob)
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    assert key_ids(cast.bob) == []


def test_an_administrator_who_is_one_no_more_has_keys_that_manage_nothing(cast: Cast) -> None:
    change_role(
        principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.ADMIN, now=timezone.now()
    )
    secret = make(principal(cast.acme, cast.bob.user_id), frozenset({Scope.MEMBERS_MANAGE}))
    change_role(
        principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.MEMBER, now=timezone.now()
    )
    assert principal_of_bearer(header=f"Bearer {secret}", slug="acme", door=Door.API).scopes == frozenset()
