"""Groups: filled by hand or by a provider, and what holds them in place."""

from dataclasses import replace
from uuid import uuid4

import pytest

from marketplaces.models import Effect
from marketplaces.services import access
from marketplaces.services.access import What, Who
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.organizations.models import Group, GroupMember, Kind, Membership, SignInConnection
from skillport.organizations.services import groups
from skillport.organizations.services.connections import delete_connection
from skillport.organizations.services.groups import GroupFed, GroupInUse, GroupRefused
from skillport.organizations.services.members import change_role, end_membership
from skillport.permissions import NotAllowed
from skillport.principal import Door, Principal, Role, Scope
from skillport.scoping import within
from tests.cast import Cast, principal
from tests.skillport.organizations.moments import NOON


def connect(owner: Principal, *, claim: str = "groups", name: str = "Okta") -> SignInConnection:
    with within(owner.organization):
        return SignInConnection.objects.create(
            organization_id=owner.organization_id, kind=Kind.OIDC, name=name, issuer=f"https://{name.lower()}.example",
            client_id="skillport", groups_claim=claim,
        )  # fmt: skip


def membership_of(who: Principal) -> Membership:
    with within(who.organization):
        rows = Membership.objects.for_organization(who.organization).select_related("organization")
        return rows.get(pk=who.membership_id)


def names_of(who: Principal) -> list[str]:
    with within(who.organization):
        inside = GroupMember.objects.for_organization(who.organization).filter(
            membership_id=who.membership_id
        )
        return sorted(inside.values_list("group__name", flat=True))


def actions(who: Principal) -> list[str]:
    with within(who.organization):
        events = AuditEvent.objects.for_organization(who.organization).filter(target__startswith="group:")
        return list(events.order_by("id").values_list("action", flat=True))


def test_a_group_is_made_filled_renamed_emptied_and_deleted_and_each_step_is_recorded(cast: Cast) -> None:
    made = groups.create_group(principal=cast.alice, name=" Legal ")
    assert (made.name, made.source, made.size) == ("Legal", None, 0)
    groups.add_to_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    groups.add_to_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    shown = groups.get_group(principal=cast.alice, group_id=made.id)
    assert [(person.membership_id, person.name) for person in shown.members] == [
        (cast.bob.membership_id, "Bob")
    ]
    assert [one.size for one in groups.list_groups(principal=cast.alice)] == [1]
    groups.rename_group(principal=cast.alice, group_id=made.id, name="Law")
    groups.remove_from_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    with pytest.raises(NotFound):
        groups.remove_from_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    groups.delete_group(principal=cast.alice, group_id=made.id)
    assert groups.list_groups(principal=cast.alice) == []
    assert actions(cast.alice) == [
        Action.GROUP_CREATED, Action.GROUP_MEMBER_ADDED, Action.GROUP_CHANGED, Action.GROUP_MEMBER_REMOVED,
        Action.GROUP_DELETED,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "a\x00b"])
def test_a_name_is_one_short_line(cast: Cast, name: str) -> None:
    with pytest.raises(GroupRefused):
        groups.create_group(principal=cast.alice, name=name)


def test_two_groups_never_have_one_name(cast: Cast) -> None:
    groups.create_group(principal=cast.alice, name="Legal")
    other = groups.create_group(principal=cast.alice, name="Sales")
    with pytest.raises(GroupRefused, match="name"):
        groups.create_group(principal=cast.alice, name="LEGAL")
    with pytest.raises(GroupRefused, match="name"):
        groups.rename_group(principal=cast.alice, group_id=other.id, name="legal")
    assert groups.create_group(principal=cast.charlie, name="Legal").name == "Legal"


def test_there_is_an_end_to_how_many_groups_there_are(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_GROUPS", 2)
    for name in ("one", "two"):
        groups.create_group(principal=cast.alice, name=name)
    with pytest.raises(GroupRefused, match="at most 2"):
        groups.create_group(principal=cast.alice, name="three")


def test_a_group_that_a_rule_names_is_not_deleted(cast: Cast) -> None:
    made = groups.create_group(principal=cast.alice, name="Legal")
    rule = access.create_rule(
        principal=cast.alice, who=Who(group_id=made.id), what=What(), effect=Effect.DENY
    )
    with pytest.raises(GroupInUse):
        groups.delete_group(principal=cast.alice, group_id=made.id)
    assert [one.name for one in groups.list_groups(principal=cast.alice)] == ["Legal"]
    assert Action.GROUP_DELETED not in actions(cast.alice), "what did not happen is not recorded"
    access.delete_rule(principal=cast.alice, rule_id=rule)
    groups.delete_group(principal=cast.alice, group_id=made.id)
    assert groups.list_groups(principal=cast.alice) == []


def test_a_connection_whose_group_a_rule_names_is_not_deleted(cast: Cast) -> None:
    keeps, goes = connect(cast.alice), connect(cast.alice, name="Ping")
    made = groups.create_fed_group(
        principal=cast.alice, connection_id=goes.pk, claim_value="legal", name="Legal"
    )
    rule = access.create_rule(
        principal=cast.alice, who=Who(group_id=made.id), what=What(), effect=Effect.DENY
    )
    with pytest.raises(GroupInUse):
        delete_connection(principal=cast.alice, connection_id=goes.pk, now=NOON)
    access.delete_rule(principal=cast.alice, rule_id=rule)
    delete_connection(principal=cast.alice, connection_id=goes.pk, now=NOON)
    assert groups.list_groups(principal=cast.alice) == []
    assert groups.list_feeders(principal=cast.alice) == [(keeps.pk, "Okta")]


def test_who_has_left_is_in_no_group_any_more(cast: Cast) -> None:
    made = groups.create_group(principal=cast.alice, name="Legal")
    groups.add_to_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    assert groups.get_group(principal=cast.alice, group_id=made.id).members == ()
    assert [one.size for one in groups.list_groups(principal=cast.alice)] == [0]
    with pytest.raises(NotFound):
        groups.add_to_group(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)


def test_a_fed_group_shows_its_source_and_refuses_changes_by_hand(cast: Cast) -> None:
    okta = connect(cast.alice)
    made = groups.create_fed_group(
        principal=cast.alice, connection_id=okta.pk, claim_value="legal", name="Legal"
    )
    assert made.source is not None
    assert (made.source.connection, made.source.claim_value) == ("Okta", "legal")
    assert groups.get_group(principal=cast.alice, group_id=made.id).source == made.source
    for change in (groups.add_to_group, groups.remove_from_group):
        with pytest.raises(GroupFed):
            change(principal=cast.alice, group_id=made.id, membership_id=cast.bob.membership_id)
    with pytest.raises(GroupRefused, match="claim"):
        groups.create_fed_group(
            principal=cast.alice, connection_id=okta.pk, claim_value="legal", name="Again"
        )


def test_only_a_connection_that_says_groups_feeds_one(cast: Cast) -> None:
    silent, theirs = connect(cast.alice, claim=""), connect(cast.charlie)
    for connection_id in (silent.pk, theirs.pk, uuid4()):
        with pytest.raises(NotFound):
            groups.create_fed_group(
                principal=cast.alice, connection_id=connection_id, claim_value="x", name="X"
            )


def test_a_sign_in_sets_exactly_the_groups_that_its_provider_says(cast: Cast) -> None:
    okta, ping = connect(cast.alice), connect(cast.alice, name="Ping")
    bob = membership_of(cast.bob)

    for connection, value, name in [
        (okta, "legal", "Lower"), (okta, "Legal", "Upper"), (okta, "sales", "Sales"), (ping, "legal", "Ping"),
    ]:  # fmt: skip
        groups.create_fed_group(
            principal=cast.alice, connection_id=connection.pk, claim_value=value, name=name
        )
    by_hand = groups.create_group(principal=cast.alice, name="legal")
    groups.add_to_group(principal=cast.alice, group_id=by_hand.id, membership_id=bob.pk)

    def sign_in(connection: SignInConnection, *values: str) -> list[str]:
        groups.set_fed_groups(membership=bob, connection_id=connection.pk, claim_values=values)
        return names_of(cast.bob)

    assert sign_in(okta, "Legal", "unknown", "nul\x00", "LEGAL") == ["Upper", "legal"]
    assert sign_in(ping, "legal") == ["Ping", "Upper", "legal"]
    assert sign_in(okta, "legal", "sales") == ["Lower", "Ping", "Sales", "legal"]
    recorded = actions(cast.alice)
    assert sign_in(okta, "sales", "legal") == ["Lower", "Ping", "Sales", "legal"]
    assert actions(cast.alice) == recorded, "nothing changed, so nothing is recorded"
    assert sign_in(okta) == ["Ping", "legal"]
    assert actions(cast.alice)[len(recorded) :] == [Action.GROUP_MEMBER_REMOVED] * 2
    with within(cast.acme):
        by_itself = AuditEvent.objects.for_organization(cast.acme).filter(actor="system:sign-in")
        assert set(by_itself.values_list("door", flat=True)) == {"page"}, "no worker did it"


def test_nobody_below_an_administrator_changes_groups_and_a_key_needs_the_scope(cast: Cast) -> None:
    made = groups.create_group(principal=cast.alice, name="Legal")
    change_role(principal=cast.alice, membership_id=cast.bob.membership_id, role=Role.AUDITOR, now=NOON)
    auditor = principal(cast.acme, cast.bob.user_id)
    assert [one.name for one in groups.list_groups(principal=auditor)] == ["Legal"]
    reading_key = replace(cast.alice, door=Door.API, scopes=frozenset({Scope.MEMBERS_READ}))
    for who in (cast.bob, auditor, reading_key):
        with pytest.raises(NotAllowed):
            groups.create_group(principal=who, name="Mine")
        with pytest.raises(NotAllowed):
            groups.rename_group(principal=who, group_id=made.id, name="Mine")
        with pytest.raises(NotAllowed):
            groups.delete_group(principal=who, group_id=made.id)
        for change in (groups.add_to_group, groups.remove_from_group):
            with pytest.raises(NotAllowed):
                change(principal=who, group_id=made.id, membership_id=who.membership_id)
        with pytest.raises(NotAllowed):
            groups.create_fed_group(principal=who, connection_id=uuid4(), claim_value="x", name="Mine")
    with pytest.raises(NotAllowed):
        groups.list_groups(principal=cast.bob)


def test_a_group_of_another_organization_is_not_there(cast: Cast) -> None:
    ours = groups.create_group(principal=cast.alice, name="Legal")
    theirs = groups.create_group(principal=cast.charlie, name="Theirs")
    assert [one.name for one in groups.list_groups(principal=cast.charlie)] == ["Theirs"]
    with pytest.raises(NotFound):
        groups.get_group(principal=cast.charlie, group_id=ours.id)
    with pytest.raises(NotFound):
        groups.rename_group(principal=cast.charlie, group_id=ours.id, name="Mine")
    with pytest.raises(NotFound):
        groups.delete_group(principal=cast.charlie, group_id=ours.id)
    with pytest.raises(NotFound):
        groups.add_to_group(
            principal=cast.charlie, group_id=ours.id, membership_id=cast.charlie.membership_id
        )
    with pytest.raises(NotFound):
        groups.add_to_group(principal=cast.charlie, group_id=theirs.id, membership_id=cast.bob.membership_id)
    with within(cast.acme):
        assert Group.objects.for_organization(cast.acme).get().name == "Legal"
