"""Invitations on pages."""

import re
from collections.abc import Callable

from django.core import mail

from skillport.organizations.models import Invitation
from skillport.organizations.services.groups import create_group
from skillport.principal import Role
from skillport.scoping import within
from tests.skillport.organizations.pages.conftest import Pages, People


def invitations(people: People) -> list[Invitation]:
    with within(people.acme):
        return list(Invitation.objects.for_organization(people.acme).order_by("created_at"))


def link_in(shown: str) -> str:
    found = re.search(r'id="link" value="([^"]+)"', shown)
    assert found, shown
    return found[1]


def test_an_invitation_is_mailed_and_its_link_shown_once(people: People, ada: Pages) -> None:
    group = create_group(principal=people[Role.ADMIN], name="Legal")
    answer = ada.post(
        "settings/invitations/new/", email="new@example.org", role="editor", group_ids=[str(group.id)]
    )
    assert answer.status_code == 200
    link = link_in(answer.content.decode())
    assert link in mail.outbox[0].body
    made = invitations(people)[0]
    assert (made.email, made.role, made.group_ids) == ("new@example.org", "editor", [group.id])
    secret = link.partition("#")[2]
    assert secret
    listed = ada.says("settings/invitations/")
    assert "new@example.org" in listed
    assert secret not in listed


def test_what_is_wrong_is_said_in_the_form_and_nothing_is_sent(people: People, ada: Pages) -> None:
    new = "settings/invitations/new/"
    ada.refused(new, email="not an address", role="member")
    ada.refused(new, email="new@example.org", role="owner")
    ada.refused(new, email="new@example.org")
    assert "Change their role or groups instead." in ada.refused(new, email="BOB@example.org", role="member")
    ada.post(new, email="new@example.org", role="member")
    assert "has an open invitation" in ada.refused(new, email="new@example.org", role="member")
    assert len(mail.outbox) == len(invitations(people)) == 1


def test_a_new_link_replaces_the_old_one(people: People, ada: Pages) -> None:
    first = link_in(
        ada.post("settings/invitations/new/", email="new@example.org", role="member").content.decode()
    )
    digest = bytes(invitations(people)[0].digest)
    again = ada.post(f"settings/invitations/{invitations(people)[0].pk}/resend/")
    assert link_in(again.content.decode()) != first
    assert bytes(invitations(people)[0].digest) != digest


def test_a_revoked_invitation_is_listed_as_such_and_cannot_be_sent_again(people: People, ada: Pages) -> None:
    ada.post("settings/invitations/new/", email="new@example.org", role="member")
    page = f"settings/invitations/{invitations(people)[0].pk}/"
    shown = ada.told_after(f"{page}revoke/")
    assert "opens nothing any more" in shown
    assert ">revoked<" in shown
    assert "was accepted or revoked" in ada.told_after(f"{page}resend/")


def test_an_auditor_sees_invitations_and_sends_none(pages: Callable[[Role], Pages], ada: Pages) -> None:
    ada.post("settings/invitations/new/", email="new@example.org", role="member")
    otto = pages(Role.AUDITOR)
    assert "Send again" not in otto.says("settings/invitations/")
    assert "Invite somebody" not in otto.says("settings/invitations/")
