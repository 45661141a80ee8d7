"""Members on pages: see them, change their role, remove them."""

from collections.abc import Callable

from skillport.accounts.models import User
from skillport.organizations.models import Membership
from skillport.organizations.services.groups import create_group
from skillport.principal import Role
from skillport.scoping import within
from tests.skillport.organizations.pages.conftest import Pages, People


def role_of(people: People, role: Role) -> str | None:
    """Give the role that who began as `role` has now; None when they do not belong any more."""
    with within(people.acme):
        rows = Membership.objects.for_organization(people.acme).filter(ended_at=None)
        row = rows.filter(pk=people[role].membership_id).first()
        return row.role if row else None


def test_the_list_has_everybody_with_their_role(alice: Pages) -> None:
    shown = alice.says("settings/members/")
    for name in ("Alice", "Bob", "Ada", "Eve", "Otto"):
        assert f">{name}</a>" in shown
    assert "5 people" in shown


def test_a_role_is_explained_where_it_is_chosen_and_changes_at_once(
    people: People, alice: Pages, bob: Pages
) -> None:
    page = f"settings/members/{people[Role.MEMBER].membership_id}/"
    assert "Changes nothing." in alice.says(page)
    assert bob.get("settings/members/").status_code == 403
    assert "Bob is now auditor." in alice.told_after(page, role="auditor")
    assert role_of(people, Role.MEMBER) == "auditor"
    assert bob.get("settings/members/").status_code == 200


def test_an_administrator_is_offered_no_role_above_their_own(people: People, ada: Pages) -> None:
    page = f"settings/members/{people[Role.MEMBER].membership_id}/"
    assert 'value="admin"' in ada.says(page)
    assert 'value="owner"' not in ada.says(page)
    assert "is not one of the available choices" in ada.refused(page, role="owner")
    assert role_of(people, Role.MEMBER) == "member"


def test_an_administrator_finds_no_form_for_an_owner_and_could_not_use_one(
    people: People, ada: Pages
) -> None:
    page = f"settings/members/{people[Role.OWNER].membership_id}/"
    assert "Only an owner changes" in ada.says(page)
    assert ada.post(page, role="member").status_code == 403
    assert ada.post(f"{page}remove/").status_code == 403
    assert role_of(people, Role.OWNER) == "owner"


def test_an_auditor_sees_a_person_and_changes_nothing(people: People, pages: Callable[[Role], Pages]) -> None:
    otto = pages(Role.AUDITOR)
    page = f"settings/members/{people[Role.MEMBER].membership_id}/"
    assert "Change role" not in otto.says(page)
    assert otto.post(page, role="admin").status_code == 403
    assert otto.get(f"{page}remove/").status_code == 403
    assert role_of(people, Role.MEMBER) == "member"


def test_the_last_owner_is_told_why_they_stay_one(people: People, alice: Pages) -> None:
    page = f"settings/members/{people[Role.OWNER].membership_id}/"
    assert "Make somebody else an owner first" in alice.refused(page, role="member")


def test_a_person_is_removed_after_one_question_and_is_out_at_once(
    people: People, alice: Pages, bob: Pages
) -> None:
    page = f"settings/members/{people[Role.MEMBER].membership_id}/remove/"
    assert "Skills already on their machines stay there" in alice.says(page)
    assert bob.get().status_code == 200
    assert "Bob does not belong to Acme any more." in alice.told_after(page)
    assert role_of(people, Role.MEMBER) is None
    assert bob.get().status_code == 404
    assert alice.get(page).status_code == 404


def test_who_has_neither_name_nor_address_can_still_be_told_and_removed(people: People, alice: Pages) -> None:
    """A provider that says neither makes such a person."""
    eve, nobody = people[Role.EDITOR], "Somebody without a name"
    User.objects.filter(pk=eve.user_id).update(name="", email="")
    page = f"settings/members/{eve.membership_id}/"
    assert f">{nobody}</a>" in alice.says("settings/members/")
    assert f"<h1>{nobody}</h1>" in alice.says(page)
    assert f"API keys of {nobody}" in alice.says(f"{page}keys/")
    group = f"settings/groups/{create_group(principal=people[Role.ADMIN], name='Legal').id}/"
    assert f">{nobody}</option>" in alice.says(group)
    assert f">{nobody}</a>" in alice.told_after(group, membership_id=str(eve.membership_id))
    assert f"Remove {nobody}?" in alice.says(f"{page}remove/")
    assert f"{nobody} is now auditor." in alice.told_after(page, role="auditor")
    assert f"{nobody} does not belong to Acme any more." in alice.told_after(f"{page}remove/")


def test_names_are_text_and_never_markup(people: People, alice: Pages) -> None:
    name = '<script>alert("x")</script>'
    User.objects.filter(pk=people[Role.MEMBER].user_id).update(name=name)
    for page in ("members/", f"members/{people[Role.MEMBER].membership_id}/"):
        shown = alice.says(f"settings/{page}")
        assert name not in shown
        assert "&lt;script&gt;alert(&quot;x&quot;)" in shown
