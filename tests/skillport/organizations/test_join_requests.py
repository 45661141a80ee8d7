"""Requests to join: who waits, who decides, and what comes of it."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from skillport.accounts.models import User
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.organizations.models import AdmittedBy, JoinReason, JoinRequest, SignInConnection
from skillport.organizations.services import join_requests
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.members import change_role, list_members
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal, Role
from skillport.scoping import within
from tests.cast import Cast, principal
from tests.skillport.organizations.moments import NOON


@pytest.fixture
def google(cast: Cast) -> SignInConnection:
    return accept_google(cast.acme)


@pytest.fixture
def dora(db: None) -> User:
    return User.objects.create(email="bob@example.org", name="Dora")


def ask(
    cast: Cast, google: SignInConnection, person: User, reason: JoinReason = JoinReason.NEW_SUBJECT
) -> JoinRequest:
    return join_requests.open_join_request(
        organization=cast.acme, user=person, connection=google, reason=reason, role=Role.MEMBER
    )


def waiting(who: Principal) -> list[str]:
    return [one.name for one in join_requests.list_join_requests(principal=who)]


def test_asking_again_changes_nothing(cast: Cast, google: SignInConnection, dora: User) -> None:
    first = ask(cast, google, dora)
    assert ask(cast, google, dora, JoinReason.APPROVAL).pk == first.pk
    (shown,) = join_requests.list_join_requests(principal=cast.alice)
    assert (shown.email, shown.reason, shown.connection) == (
        "bob@example.org", JoinReason.NEW_SUBJECT, "Google"
    )  # fmt: skip
    with within(cast.acme):
        events = AuditEvent.objects.for_organization(cast.acme)
        assert events.filter(action=Action.MEMBERSHIP_ASKED_FOR).count() == 1


def test_who_is_approved_is_a_second_person_and_the_first_is_untouched(
    cast: Cast, google: SignInConnection, dora: User
) -> None:
    """Dora came with Bob's e-mail address and another subject."""
    asked = ask(cast, google, dora)
    membership = join_requests.approve_join_request(
        principal=cast.alice, request_id=asked.pk, role=Role.EDITOR, now=NOON
    )
    assert (membership.user_id, membership.role) == (dora.pk, Role.EDITOR)
    assert membership.admitted_by == AdmittedBy.APPROVAL
    assert principal(cast.acme, cast.bob.user_id) == cast.bob
    assert sorted(one.name for one in list_members(principal=cast.alice)) == ["Alice", "Bob", "Dora"]
    assert waiting(cast.alice) == []
    with pytest.raises(NotFound):
        join_requests.approve_join_request(principal=cast.alice, request_id=asked.pk, now=NOON)
    with pytest.raises(NotFound):
        join_requests.refuse_join_request(principal=cast.alice, request_id=asked.pk)


def test_who_is_refused_does_not_ask_again_for_thirty_days(
    cast: Cast, google: SignInConnection, dora: User
) -> None:
    asked = ask(cast, google, dora)
    join_requests.refuse_join_request(principal=cast.alice, request_id=asked.pk)
    again = ask(cast, google, dora)
    assert (again.pk, again.decided_at is None) == (asked.pk, False)
    assert waiting(cast.alice) == []
    with within(cast.acme):
        rows = JoinRequest.objects.for_organization(cast.acme).filter(pk=asked.pk)
        rows.update(decided_at=timezone.now() - timedelta(days=31))
    assert ask(cast, google, dora).decided_at is None
    assert waiting(cast.alice) == ["Dora"]


def test_nobody_gives_a_role_above_their_own(cast: Cast, google: SignInConnection, dora: User) -> None:
    asked = ask(cast, google, dora)
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.ADMIN, now=NOON)
    admin = principal(cast.acme, cast.bob.user_id)
    with pytest.raises(NotAllowed):
        join_requests.approve_join_request(principal=admin, request_id=asked.pk, role=Role.OWNER, now=NOON)
    stale = replace(cast.alice, door=Door.PAGE, confirmed_at=NOON - timedelta(minutes=11))
    with pytest.raises(StepUpRequired):
        join_requests.approve_join_request(principal=stale, request_id=asked.pk, role=Role.OWNER, now=NOON)
    assert waiting(cast.alice) == ["Dora"]
    join_requests.approve_join_request(principal=admin, request_id=asked.pk, now=NOON)
    assert principal(cast.acme, dora.pk).role == Role.MEMBER


def test_members_and_another_organizations_owner_decide_nothing(
    cast: Cast, google: SignInConnection, dora: User
) -> None:
    asked = ask(cast, google, dora)
    for who, request_id, fault in [
        (cast.bob, asked.pk, NotAllowed), (cast.charlie, asked.pk, NotFound), (cast.alice, uuid4(), NotFound)
    ]:  # fmt: skip
        with pytest.raises(fault):
            join_requests.approve_join_request(principal=who, request_id=request_id, now=NOON)
        with pytest.raises(fault):
            join_requests.refuse_join_request(principal=who, request_id=request_id)
    with pytest.raises(NotAllowed):
        waiting(cast.bob)
    assert waiting(cast.charlie) == []
    assert waiting(cast.alice) == ["Dora"]
