"""Groups on pages."""

from collections.abc import Callable

from skillport.organizations.models import Group, Kind, SignInConnection
from skillport.organizations.services.groups import create_group, get_group
from skillport.principal import Role
from skillport.scoping import within
from tests.cast import Cast
from tests.skillport.organizations.pages.conftest import Pages, People


def okta(people: People, claim: str = "groups") -> SignInConnection:
    with within(people.acme):
        return SignInConnection.objects.create(
            organization=people.acme, kind=Kind.OIDC, name="Okta", issuer="https://okta.example", client_id="x",
            groups_claim=claim,
        )  # fmt: skip


def test_a_group_is_made_filled_emptied_renamed_and_deleted(people: People, ada: Pages) -> None:
    assert "There is no group yet. Create one" in ada.says("settings/groups/")
    assert "The group Legal is there." in ada.told_after("settings/groups/new/", name="Legal")
    with within(people.acme):
        page = f"settings/groups/{Group.objects.for_organization(people.acme).get().pk}/"
    bob = str(people[Role.MEMBER].membership_id)
    assert "from now on" in ada.told_after(page, membership_id=bob)
    assert f'value="{bob}"' not in ada.says(page)
    assert "1 member" in ada.says("settings/groups/")
    assert "Legal" in ada.says(f"settings/members/{bob}/")
    assert "not in this group any more" in ada.told_after(f"{page}members/{bob}/remove/")
    assert f'value="{bob}"' in ada.says(page)
    assert "Law" in ada.told_after(f"{page}rename/", name="Law")
    assert "members stay members of Acme" in ada.says(f"{page}delete/")
    assert "The group Law is deleted." in ada.told_after(f"{page}delete/")
    assert ada.get(page).status_code == 404


def test_a_taken_name_and_an_empty_one_are_refused_in_the_form(people: People, ada: Pages) -> None:
    create_group(principal=people[Role.ADMIN], name="Legal")
    ada.refused("settings/groups/new/", name="legal")
    assert "This field is required." in ada.refused("settings/groups/new/", name=" ")
    group = create_group(principal=people[Role.ADMIN], name="Law")
    ada.refused(f"settings/groups/{group.id}/rename/", name="LEGAL")


def test_a_group_may_be_filled_by_a_provider_and_shows_which(people: People, ada: Pages) -> None:
    assert "Filled by" not in ada.says("settings/groups/new/")
    connection = okta(people)
    assert "Filled by Okta" in ada.says("settings/groups/new/")
    ada.refused("settings/groups/new/", name="Engineering", source=str(connection.pk), claim_value="")
    shown = ada.told_after(
        "settings/groups/new/", name="Engineering", source=str(connection.pk), claim_value="eng"
    )
    assert "Filled by Okta" in shown
    assert "<code>eng</code>" in shown
    assert "Put somebody in" not in shown
    assert "<code>eng</code>" in ada.says("settings/groups/")


def test_a_group_that_a_provider_fills_is_not_filled_by_hand(people: People, ada: Pages) -> None:
    connection = okta(people)
    with within(people.acme):
        fed = Group.objects.create(
            organization=people.acme, name="Engineering", connection=connection, claim_value="eng"
        )
    bob = people[Role.MEMBER].membership_id
    assert ada.post(f"settings/groups/{fed.pk}/", membership_id=str(bob)).status_code == 409
    assert "A provider says who is in this group" in ada.told_after(
        f"settings/groups/{fed.pk}/members/{bob}/remove/"
    )
    assert not get_group(principal=people[Role.ADMIN], group_id=fed.pk).members


def test_only_members_who_are_there_can_be_put_in(people: People, cast: Cast, ada: Pages) -> None:
    group = create_group(principal=people[Role.ADMIN], name="Legal")
    for wrong in (str(cast.charlie.membership_id), "junk", ""):
        ada.refused(f"settings/groups/{group.id}/", membership_id=wrong)


def test_an_auditor_sees_groups_and_no_buttons(people: People, pages: Callable[[Role], Pages]) -> None:
    otto = pages(Role.AUDITOR)
    assert "There is no group yet.</p>" in otto.says("settings/groups/"), "and is not told to make one"
    group = create_group(principal=people[Role.ADMIN], name="Legal")
    assert "Create a group" not in otto.says("settings/groups/")
    for word in ("Put in", "Put the first", "Rename", "Delete"):
        assert word not in otto.says(f"settings/groups/{group.id}/")
