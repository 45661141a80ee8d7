"""Invitations: made, mailed, sent again, revoked."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from skillport import tokens
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.organizations.models import Invitation, Kind, Organization, SignInConnection
from skillport.organizations.services import groups, invitations
from skillport.organizations.services.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationClosed,
    InvitationRefused,
    Sent,
    State,
)
from skillport.organizations.services.members import change_role, end_membership
from skillport.permissions import NotAllowed, StepUpRequired
from skillport.principal import Door, Principal, Role, Scope
from skillport.scoping import within
from tests.cast import Cast, principal, secret_in
from tests.skillport.organizations.moments import NOON


def invite(who: Principal, email: str = "dora@example.org", role: Role = Role.MEMBER, **more: Any) -> Sent:
    return invitations.create_invitation(principal=who, email=email, role=role, now=NOON, **more)


def expire(who: Principal, invitation_id: UUID) -> None:
    with within(who.organization):
        rows = Invitation.objects.for_organization(who.organization).filter(pk=invitation_id)
        rows.update(expires_at=timezone.now() - timedelta(seconds=1))


def states(who: Principal) -> dict[str, State]:
    return {one.email: one.state for one in invitations.list_invitations(principal=who)}


def digest_of(who: Principal, invitation_id: UUID) -> bytes:
    with within(who.organization):
        return bytes(Invitation.objects.for_organization(who.organization).get(pk=invitation_id).digest)


def test_an_invitation_is_mailed_with_one_link_whose_secret_no_server_sees(
    cast: Cast, mailoutbox: list[Any]
) -> None:
    sent = invite(cast.alice, " dora@example.org ")
    assert sent.mail_sent
    assert sent.link == f"{settings.SITE_URL}/accounts/invitation#{secret_in(sent)}"
    assert tokens.well_formed(secret_in(sent), tokens.Prefix.INVITATION)
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["dora@example.org"], "Alice invites you to Acme on Skillport")
    assert mail.body.count("http") == mail.body.count(sent.link) == 1
    assert digest_of(cast.alice, sent.invitation.id) == tokens.digest(secret_in(sent))
    assert secret_in(sent) not in repr(sent)
    shown = sent.invitation
    assert (shown.state, shown.role, shown.invited_by) == (State.OPEN, Role.MEMBER, "Alice")
    assert shown.expires_at - shown.sent_at == timedelta(days=7)


def test_a_name_with_line_breaks_makes_no_header_and_no_paragraph(cast: Cast, mailoutbox: list[Any]) -> None:
    with within(cast.acme):
        Organization.objects.filter(pk=cast.acme.pk).update(name="Acme\r\nBcc: eve@example.org\n\nPay here")
    organization = Organization.objects.get(pk=cast.acme.pk)
    invite(replace(cast.alice, organization=organization.ref))
    (mail,) = mailoutbox
    assert mail.subject == "Alice invites you to Acme Bcc: eve@example.org Pay here on Skillport"
    assert mail.recipients() == ["dora@example.org"]
    assert "\n\nPay" not in mail.body


def test_a_mail_that_does_not_leave_loses_nothing_and_logs_no_secret(
    cast: Cast, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with caplog.at_level(logging.DEBUG):
        sent = invite(cast.alice)
    assert not sent.mail_sent
    assert states(cast.alice) == {"dora@example.org": State.OPEN}
    assert "could not be sent" in caplog.text
    assert secret_in(sent) not in caplog.text


@pytest.mark.parametrize("email", ["", "dora", "dora@", "a b@example.org", "dora@example.org\nBcc: eve@example.org",
                                   "x" * 250 + "@example.org"])  # fmt: skip
def test_what_is_no_address_is_refused(cast: Cast, email: str, mailoutbox: list[Any]) -> None:
    with pytest.raises(InvitationRefused):
        invite(cast.alice, email)
    assert mailoutbox == []


def test_a_member_and_an_invited_person_are_not_invited_again(cast: Cast, mailoutbox: list[Any]) -> None:
    with pytest.raises(AlreadyMember):
        invite(cast.alice, "BOB@example.org")
    first = invite(cast.alice)
    with pytest.raises(AlreadyInvited, match="again"):
        invite(cast.alice, "DORA@example.org")
    expire(cast.alice, first.invitation.id)
    invite(cast.alice)
    with pytest.raises(AlreadyInvited):
        invitations.resend_invitation(principal=cast.alice, invitation_id=first.invitation.id, now=NOON)
    assert invite(cast.charlie).mail_sent, "another organization knows nothing of it"
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    assert invite(cast.alice, "bob@example.org").mail_sent


def test_there_is_an_end_to_how_many_invitations_are_open(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_OPEN", 1)
    first = invite(cast.alice)
    with pytest.raises(InvitationRefused, match="open already"):
        invite(cast.alice, "eve@example.org")
    invitations.revoke_invitation(principal=cast.alice, invitation_id=first.invitation.id)
    invite(cast.alice, "eve@example.org")


def test_sent_again_it_has_a_new_secret_and_seven_new_days_and_the_old_secret_is_dead(
    cast: Cast, mailoutbox: list[Any]
) -> None:
    first = invite(cast.alice)
    expire(cast.alice, first.invitation.id)
    assert states(cast.alice) == {"dora@example.org": State.EXPIRED}
    again = invitations.resend_invitation(principal=cast.alice, invitation_id=first.invitation.id, now=NOON)
    assert again.invitation.id == first.invitation.id
    assert again.invitation.state == State.OPEN
    assert secret_in(again) != secret_in(first)
    assert digest_of(cast.alice, first.invitation.id) == tokens.digest(secret_in(again))
    assert len(mailoutbox) == 2
    assert again.link in mailoutbox[1].body


def test_who_sends_it_again_vouches_for_it_from_then_on(cast: Cast) -> None:
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.ADMIN, now=NOON)
    sent = invite(cast.alice, role=Role.ADMIN)
    admin = principal(cast.acme, cast.bob.user_id)
    again = invitations.resend_invitation(principal=admin, invitation_id=sent.invitation.id, now=NOON)
    assert again.invitation.invited_by == "Bob"


def test_a_revoked_invitation_stays_revoked(cast: Cast) -> None:
    sent = invite(cast.alice)
    invitations.revoke_invitation(principal=cast.alice, invitation_id=sent.invitation.id)
    assert states(cast.alice) == {"dora@example.org": State.REVOKED}
    with pytest.raises(InvitationClosed):
        invitations.revoke_invitation(principal=cast.alice, invitation_id=sent.invitation.id)
    with pytest.raises(InvitationClosed):
        invitations.resend_invitation(principal=cast.alice, invitation_id=sent.invitation.id, now=NOON)
    with within(cast.acme):
        events = AuditEvent.objects.for_organization(cast.acme).filter(target__startswith="invitation:")
        recorded = list(events.order_by("id").values_list("action", flat=True))
        assert not any(secret_in(sent) in str(event.details) for event in events)
    assert recorded == [Action.INVITATION_CREATED, Action.INVITATION_REVOKED]


def test_nobody_invites_above_their_own_role(cast: Cast) -> None:
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.ADMIN, now=NOON)
    admin = principal(cast.acme, cast.bob.user_id)
    with pytest.raises(NotAllowed):
        invite(admin, role=Role.OWNER)
    owners = invite(cast.alice, role=Role.OWNER)
    with pytest.raises(NotAllowed):
        invitations.resend_invitation(principal=admin, invitation_id=owners.invitation.id, now=NOON)
    with pytest.raises(NotAllowed):
        invitations.revoke_invitation(principal=admin, invitation_id=owners.invitation.id)
    assert invite(admin, "eve@example.org", Role.ADMIN).invitation.role == Role.ADMIN


def test_an_owner_is_invited_after_a_step_up_only(cast: Cast) -> None:
    stale = replace(cast.alice, door=Door.PAGE, confirmed_at=NOON - timedelta(minutes=11))
    with pytest.raises(StepUpRequired):
        invite(stale, role=Role.OWNER)
    fresh = replace(stale, confirmed_at=NOON - timedelta(minutes=9))
    sent = invite(fresh, role=Role.OWNER)
    with pytest.raises(StepUpRequired):
        invitations.resend_invitation(principal=stale, invitation_id=sent.invitation.id, now=NOON)
    assert invite(stale, "eve@example.org").mail_sent


def test_members_and_keys_without_the_scope_neither_see_nor_invite(cast: Cast) -> None:
    sent = invite(cast.alice)
    key = replace(cast.alice, door=Door.API, scopes=frozenset({Scope.SKILLS_READ}))
    for who in (cast.bob, key):
        with pytest.raises(NotAllowed):
            invite(who, "eve@example.org")
        with pytest.raises(NotAllowed):
            invitations.list_invitations(principal=who)
        with pytest.raises(NotAllowed):
            invitations.resend_invitation(principal=who, invitation_id=sent.invitation.id, now=NOON)
        with pytest.raises(NotAllowed):
            invitations.revoke_invitation(principal=who, invitation_id=sent.invitation.id)


def test_an_invitation_of_another_organization_is_not_there(cast: Cast) -> None:
    ours = invite(cast.alice).invitation.id
    for invitation_id in (ours, uuid4()):
        with pytest.raises(NotFound):
            invitations.resend_invitation(principal=cast.charlie, invitation_id=invitation_id, now=NOON)
        with pytest.raises(NotFound):
            invitations.revoke_invitation(principal=cast.charlie, invitation_id=invitation_id)
    assert states(cast.charlie) == {}
    assert states(cast.alice) == {"dora@example.org": State.OPEN}


def test_only_groups_that_are_ours_and_filled_by_hand_are_promised(cast: Cast) -> None:
    ours = groups.create_group(principal=cast.alice, name="Legal").id
    theirs = groups.create_group(principal=cast.charlie, name="Legal").id
    with within(cast.acme):
        okta = SignInConnection.objects.create(
            organization=cast.acme, kind=Kind.OIDC, name="Okta", issuer="https://okta.example", client_id="x",
            groups_claim="groups",
        )  # fmt: skip
    fed = groups.create_fed_group(principal=cast.alice, connection_id=okta.pk, claim_value="x", name="Fed").id
    for wrong in (theirs, fed, uuid4()):
        with pytest.raises(NotFound):
            invite(cast.alice, group_ids=[ours, wrong])
    assert invite(cast.alice, group_ids=[ours, ours]).invitation.group_ids == (ours,)
