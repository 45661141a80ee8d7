"""Name, length of sessions, and the ways out."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from skillport.organizations.models import Membership, Organization
from skillport.organizations.services.members import change_role
from skillport.principal import Role
from skillport.scoping import within
from tests.skillport.organizations.pages.conftest import Pages, People


def test_an_owner_renames_the_organization_and_sets_how_long_sessions_last(
    people: People, alice: Pages
) -> None:
    assert 'value="Acme"' in alice.says("settings/general/")
    assert "Saved." in alice.told_after("settings/general/", name="Acme & Sons", session_hours="8")
    changed = Organization.objects.get(pk=people.acme.pk)
    assert (changed.name, changed.slug, changed.session_hours) == ("Acme & Sons", "acme", 8)
    assert "Acme &amp; Sons" in alice.says("settings/general/")
    for wrong in ({"name": ""}, {"name": "x" * 201}, {"session_hours": "0"}, {"session_hours": "169"}):
        alice.refused("settings/general/", **{"name": "Acme", "session_hours": "12", **wrong})


def test_everybody_may_leave_except_the_last_owner(people: People, alice: Pages, bob: Pages) -> None:
    assert "Delete" not in bob.says("settings/danger/").replace("Leave or delete", "")
    assert "stop at once" in bob.says("settings/danger/leave/")
    assert "You do not belong to Acme any more." in bob.told_after("settings/danger/leave/")
    assert bob.get().status_code == 404
    assert "Make somebody else an owner first" in alice.told_after("settings/danger/leave/")
    change_role(
        principal=people[Role.OWNER], membership_id=people[Role.ADMIN].membership_id, role=Role.OWNER,
        now=timezone.now(),
    )  # fmt: skip
    alice.told_after("settings/danger/leave/")
    with within(people.acme):
        live = Membership.objects.for_organization(people.acme).filter(ended_at=None)
        assert sorted(live.values_list("role", flat=True)) == ["auditor", "editor", "owner"]


def test_an_organization_is_deleted_after_its_address_was_typed_and_kept_by_one_button(
    people: People, alice: Pages, bob: Pages
) -> None:
    assert "Nothing was deleted" in alice.refused("settings/danger/delete/", confirmation="Acme")
    assert bob.get().status_code == 200
    shown = alice.told_after("settings/danger/delete/", confirmation="acme")
    assert "Acme is deleted <time" in shown
    closing_at = Organization.objects.get(pk=people.acme.pk).closing_at
    assert closing_at is not None
    assert timedelta(days=6, hours=23) < closing_at - timezone.now() <= timedelta(days=7)
    assert bob.get().status_code == 404
    for page in ("", "settings/members/", "settings/keys/"):
        assert "Until then only owners get in" in alice.says(page)
    assert "Everybody gets in as before." in alice.told_after("settings/danger/keep/")
    assert "Until then only owners get in" not in alice.says()
    assert bob.get().status_code == 200


def test_only_owners_delete(people: People, pages: Callable[[Role], Pages]) -> None:
    for role in (Role.ADMIN, Role.EDITOR, Role.MEMBER, Role.AUDITOR):
        browser = pages(role)
        assert browser.get("settings/danger/delete/").status_code == 403
        assert browser.post("settings/danger/delete/", confirmation="acme").status_code == 403
        assert browser.post("settings/danger/keep/").status_code == 403
    assert Organization.objects.get(pk=people.acme.pk).closing_at is None
