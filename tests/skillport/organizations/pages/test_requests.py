"""Requests to join on pages."""

from collections.abc import Callable

import pytest

from skillport.accounts.models import User
from skillport.organizations.models import JoinReason, JoinRequest, Membership
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.join_requests import open_join_request
from skillport.principal import Role
from skillport.scoping import within
from tests.skillport.organizations.pages.conftest import Pages, People


@pytest.fixture
def ana(people: People) -> JoinRequest:
    """Ana has Bob's e-mail address under another identity."""
    user = User.objects.create(name="Ana", email="bob@example.org")
    return open_join_request(
        organization=people.acme, user=user, connection=accept_google(people.acme), reason=JoinReason.NEW_SUBJECT,
        role=Role.MEMBER,
    )  # fmt: skip


def test_who_waits_is_let_in_as_what_is_chosen(people: People, ana: JoinRequest, ada: Pages) -> None:
    assert "same address as a member" in ada.says("settings/requests/")
    page = f"settings/requests/{ana.pk}/"
    assert "Ask them before you decide" in ada.says(page)
    assert "Ana belongs to Acme from now on." in ada.told_after(page, role="editor")
    with within(people.acme):
        live = Membership.objects.for_organization(people.acme).filter(ended_at=None, user_id=ana.user_id)
        assert live.get().role == "editor"
    assert "Nobody is waiting." in ada.says("settings/requests/")
    assert ada.get(page).status_code == 404


def test_who_waits_without_a_name_is_told_all_the_same(ana: JoinRequest, people: People, ada: Pages) -> None:
    with within(people.acme):
        JoinRequest.objects.for_organization(people.acme).update(name="", email="")
    assert "about Somebody without a name</span>" in ada.says("settings/requests/")
    page = f"settings/requests/{ana.pk}/"
    assert "<h1>Let Somebody without a name in?</h1>" in ada.says(page)
    assert "Somebody without a name belongs to Acme from now on." in ada.told_after(page, role="member")


def test_who_is_kept_out_does_not_belong(people: People, ana: JoinRequest, ada: Pages) -> None:
    assert "They stay outside" in ada.told_after(f"settings/requests/{ana.pk}/refuse/")
    with within(people.acme):
        assert not Membership.objects.for_organization(people.acme).filter(user_id=ana.user_id).exists()
    assert ada.post(f"settings/requests/{ana.pk}/refuse/").status_code == 404


def test_nobody_is_let_in_above_who_decides(ana: JoinRequest, ada: Pages) -> None:
    ada.refused(f"settings/requests/{ana.pk}/", role="owner")


def test_an_auditor_sees_who_waits_and_decides_nothing(
    ana: JoinRequest, pages: Callable[[Role], Pages]
) -> None:
    otto = pages(Role.AUDITOR)
    assert "Ana" in otto.says("settings/requests/")
    assert "Decide" not in otto.says("settings/requests/")
    assert otto.get(f"settings/requests/{ana.pk}/").status_code == 403
