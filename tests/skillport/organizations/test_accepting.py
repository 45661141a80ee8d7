"""Accepting an invitation: once, by one person, while who made it still could."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from skillport.accounts.models import User
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import SkillportError
from skillport.organizations.models import AdmittedBy, GroupMember, Invitation, Membership, Organization
from skillport.organizations.services import accepting, groups, invitations
from skillport.organizations.services.accepting import (
    AlreadyInside,
    InvitationUnknown,
    InvitationUsed,
    Offer,
    accept_invitation,
    digest_of_invitation,
    look_up_invitation,
)
from skillport.organizations.services.invitations import Sent, State
from skillport.organizations.services.members import add_member, change_role, end_membership
from skillport.principal import Principal, Role, SystemActor
from skillport.scoping import UnscopedQuery, within
from tests.cast import Cast, make_cast, principal, secret_in
from tests.skillport.organizations.moments import NOON


@pytest.fixture
def dora(db: None) -> User:
    return User.objects.create(email="dora@elsewhere.example", name="Dora")


def invite(who: Principal, role: Role = Role.MEMBER, **more: Any) -> Sent:
    return invitations.create_invitation(principal=who, email="dora@example.org", role=role, now=NOON, **more)


def accept(sent: Sent, person: User) -> Membership:
    return accept_invitation(
        digest=digest_of_invitation(secret_in(sent)), user_id=person.pk, begun_in_session="a" * 64
    )


def live(who: Principal, person: User) -> bool:
    with within(who.organization):
        rows = Membership.objects.for_organization(who.organization)
        return rows.filter(user=person, ended_at=None).exists()


def test_whoever_holds_the_link_sees_the_offer_and_becomes_a_member(cast: Cast, dora: User) -> None:
    legal = groups.create_group(principal=cast.alice, name="Legal").id
    gone = groups.create_group(principal=cast.alice, name="Gone").id
    sent = invite(cast.alice, Role.EDITOR, group_ids=[legal, gone])
    groups.delete_group(principal=cast.alice, group_id=gone)
    assert look_up_invitation(digest=digest_of_invitation(secret_in(sent))) == Offer(
        organization_name="Acme", organization_slug="acme", role=Role.EDITOR, invited_by="Alice"
    )
    membership = accept(sent, dora)
    assert (membership.role, membership.admitted_by) == (Role.EDITOR, AdmittedBy.INVITATION)
    assert membership.begun_in_session == "a" * 64
    with within(cast.acme):
        inside = GroupMember.objects.for_organization(cast.acme).filter(membership=membership)
        assert [one.group_id for one in inside] == [legal]
        accepted = AuditEvent.objects.for_organization(cast.acme).get(action=Action.INVITATION_ACCEPTED)
        assert accepted.actor == f"user:{dora.pk}"
    (shown,) = invitations.list_invitations(principal=cast.alice)
    assert shown.state == State.ACCEPTED


def test_it_works_for_one_person_only_who_may_repeat_it(cast: Cast, dora: User) -> None:
    sent = invite(cast.alice)
    first = accept(sent, dora)
    assert accept(sent, dora).pk == first.pk, "a double click is no error"
    eve = User.objects.create(email="dora@example.org", name="Eve")
    with pytest.raises(InvitationUsed):
        accept(sent, eve)
    with pytest.raises(InvitationUsed):
        look_up_invitation(digest=digest_of_invitation(secret_in(sent)))
    end_membership(organization=cast.acme, membership_id=first.pk, actor=cast.alice)
    with pytest.raises(InvitationUsed):
        accept(sent, dora)
    assert not live(cast.alice, dora), "who was removed does not return by an old link"
    assert not live(cast.alice, eve)


def test_of_many_people_who_accept_at_once_exactly_one_comes_in(transactional_db: None) -> None:
    cast = make_cast()
    people = [User.objects.create(email=f"{number}@example.org") for number in range(6)]
    sent = invite(cast.alice)
    begin = Barrier(len(people))

    def attempt(person: User) -> str:
        begin.wait()
        try:
            accept(sent, person)
        except SkillportError as error:
            return error.code
        finally:
            connection.close()
        return "in"

    with ThreadPoolExecutor(len(people)) as threads:
        results = sorted(threads.map(attempt, people))
    assert results == ["in"] + ["invitation_used"] * (len(people) - 1)
    assert sum(live(cast.alice, person) for person in people) == 1


def test_unknown_expired_and_revoked_are_one_answer(cast: Cast, dora: User) -> None:
    expired = invite(cast.alice)
    with within(cast.acme):
        Invitation.objects.for_organization(cast.acme).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
    revoked = invite(cast.alice)
    invitations.revoke_invitation(principal=cast.alice, invitation_id=revoked.invitation.id)
    resent = invite(cast.alice)
    invitations.resend_invitation(principal=cast.alice, invitation_id=resent.invitation.id, now=NOON)
    secrets = [
        secret_in(one) for one in (expired, revoked, resent)
    ] + ["", "sklp_iv_" + "0" * 49, secret_in(expired)[:-1], secret_in(expired) + " ", "é" * 57]  # fmt: skip
    told = set()
    for secret in secrets:
        for attempt in (
            lambda secret=secret: look_up_invitation(digest=digest_of_invitation(secret)),
            lambda secret=secret: accept_invitation(
                digest=digest_of_invitation(secret), user_id=dora.pk, begun_in_session=""
            ),
        ):
            with pytest.raises(InvitationUnknown) as refused:
                attempt()
            told.add(str(refused.value))
    assert len(told) == 1
    assert not live(cast.alice, dora)


def test_a_member_does_not_spend_it(cast: Cast, dora: User) -> None:
    sent = invite(cast.alice, Role.ADMIN)
    bob = User.objects.get(pk=cast.bob.user_id)
    with pytest.raises(AlreadyInside):
        accept(sent, bob)
    assert principal(cast.acme, bob.pk).role == Role.MEMBER
    assert accept(sent, dora).role == Role.ADMIN


def test_it_falls_with_who_made_it(cast: Cast, dora: User) -> None:
    second = User.objects.create(email="second@example.org", name="Second")
    actor = SystemActor(organization_id=cast.acme.pk, what="test")
    add_member(organization=cast.acme, user=second, role=Role.OWNER, actor=actor)
    owner = principal(cast.acme, second.pk)
    sent = invite(owner, Role.ADMIN)

    def refused() -> None:
        for attempt in (
            lambda: look_up_invitation(digest=digest_of_invitation(secret_in(sent))),
            lambda: accept(sent, dora),
        ):
            with pytest.raises(InvitationUnknown):
                attempt()

    def become(role: Role) -> None:
        change_role(principal=cast.alice, membership_id=owner.membership_id, role=role, now=NOON)

    become(Role.EDITOR)
    refused()
    become(Role.ADMIN)
    look_up_invitation(digest=digest_of_invitation(secret_in(sent)))
    User.objects.filter(pk=second.pk).update(is_active=False)
    refused()
    User.objects.filter(pk=second.pk).update(is_active=True)
    end_membership(organization=cast.acme, membership_id=owner.membership_id, actor=cast.alice)
    refused()
    again = invitations.resend_invitation(principal=cast.alice, invitation_id=sent.invitation.id, now=NOON)
    assert accept(again, dora).role == Role.ADMIN


def test_it_falls_when_its_maker_may_no_longer_invite_at_all(cast: Cast, dora: User) -> None:
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.ADMIN, now=NOON)
    sent = invite(principal(cast.acme, cast.bob.user_id), Role.MEMBER)
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.EDITOR, now=NOON)
    with pytest.raises(InvitationUnknown):
        accept(sent, dora)


def test_an_owners_invitation_falls_when_its_maker_is_no_owner_any_more(cast: Cast, dora: User) -> None:
    second = User.objects.create(email="second@example.org", name="Second")
    actor = SystemActor(organization_id=cast.acme.pk, what="test")
    add_member(organization=cast.acme, user=second, role=Role.OWNER, actor=actor)
    owner = principal(cast.acme, second.pk)
    sent = invite(owner, Role.OWNER)
    change_role(principal=cast.alice, membership_id=owner.membership_id, role=Role.ADMIN, now=NOON)
    with pytest.raises(InvitationUnknown):
        accept(sent, dora)


@pytest.mark.parametrize("state", ["closing_at", "closed_at"])
def test_an_organization_that_is_being_deleted_takes_nobody_in(cast: Cast, dora: User, state: str) -> None:
    sent = invite(cast.alice)
    Organization.objects.filter(pk=cast.acme.pk).update(**{state: timezone.now()})
    with pytest.raises(InvitationUnknown):
        look_up_invitation(digest=digest_of_invitation(secret_in(sent)))
    with pytest.raises(InvitationUnknown):
        accept(sent, dora)


def test_nobody_and_who_is_switched_off_accept_nothing(cast: Cast, dora: User) -> None:
    sent = invite(cast.alice)
    User.objects.filter(pk=dora.pk).update(is_active=False)
    for user_id in (dora.pk, uuid4()):
        with pytest.raises(InvitationUnknown):
            accept_invitation(
                digest=digest_of_invitation(secret_in(sent)), user_id=user_id, begun_in_session=""
            )
    assert look_up_invitation(digest=digest_of_invitation(secret_in(sent))).organization_slug == "acme"


@pytest.mark.parametrize("look", [False, True])
def test_once_its_row_is_known_an_invitation_is_held_to_its_own_organization(
    cast: Cast, dora: User, monkeypatch: pytest.MonkeyPatch, *, look: bool
) -> None:
    """A later step that forgot whose rows it wants must be refused, although the first one crosses organizations.

    Red without the block around the later steps (reviewed mutants, `tests/mutations/reviewed.py`).
    """
    sent = invite(cast.alice)

    def forgetful(_: Invitation) -> NoReturn:
        Invitation.objects.all_organizations().count()
        pytest.fail("the whole table was read")

    monkeypatch.setattr(accepting, "_require_open", forgetful)
    with pytest.raises(UnscopedQuery):
        if look:
            look_up_invitation(digest=digest_of_invitation(secret_in(sent)))
        else:
            accept(sent, dora)
