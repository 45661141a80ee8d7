"""Deleting an organization for good, and erasing a person everywhere."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from connector.install.install_tokens import issue_install_token
from marketplaces.models import Skill
from marketplaces.services.gone_copies import forget_gone_copies
from marketplaces.services.worker import Worker
from skillport.accounts.models import Identity, Session, User
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.organizations.models import Invitation, Organization, VerifiedDomain
from skillport.organizations.services import groups, invitations, organizations
from skillport.organizations.services.connections import accept_google
from skillport.organizations.services.forgetting import (
    StillTheLastOwner,
    delete_closed_organizations,
    erase_person,
)
from skillport.organizations.services.members import add_member
from skillport.organizations.services.organizations import SlugRefused, create_organization
from skillport.principal import Role
from skillport.scoping import OrganizationOwned, across_organizations, within
from tests.cast import Cast, key_of, principal
from tests.publishing import hide, publish
from tests.repositories import SMALL, NewRepository, Repository
from tests.signing_in import cookie_of


def fill(cast: Cast, repository: Repository, worker: Worker) -> None:
    """Give Acme something in as many tables as its people can fill."""
    publish(cast.alice, repository, worker)
    with within(cast.acme):
        skill = Skill.objects.for_organization(cast.acme).order_by("name").first()
    assert skill is not None
    issue_install_token(principal=cast.alice, name=skill.name)
    hide(cast.alice, skill.name, cast.bob)
    group = groups.create_group(principal=cast.alice, name="Writers")
    groups.add_to_group(principal=cast.alice, group_id=group.id, membership_id=cast.bob.membership_id)
    invitations.create_invitation(
        principal=cast.alice, email="dora@example.org", role=Role.MEMBER, now=timezone.now()
    )
    accept_google(cast.acme)
    key_of(cast.bob)
    with within(cast.acme):
        VerifiedDomain.objects.create(organization=cast.acme, domain="acme.example", challenge="x")


def rows_of(organization: Organization) -> dict[str, int]:
    """Count the organization's rows in every owned table that has some."""
    found = {}
    with within(organization), connection.cursor() as cursor:
        for model in apps.get_models():
            if issubclass(model, OrganizationOwned):
                cursor.execute(f"SELECT count(*) FROM {model._meta.db_table}")
                count = cursor.fetchone()
                assert count is not None
                found[model._meta.db_table] = int(count[0])
    return {table: count for table, count in found.items() if count}


def test_a_closed_organization_is_deleted_when_its_grace_is_over(
    transactional_db: None, no_other_worker: None, new_repository: NewRepository, worker: Worker
) -> None:
    from tests.cast import make_cast

    cast = make_cast()
    fill(cast, new_repository(SMALL), worker)
    before, theirs = rows_of(cast.acme), rows_of(cast.globex)
    assert len(before) >= 15, before
    now = timezone.now()
    organizations.close_organization(principal=cast.alice, confirmation="acme", now=now)
    assert delete_closed_organizations(now=now + timedelta(days=6, hours=23)) == []
    assert rows_of(cast.acme).keys() >= before.keys()
    copies = worker.folder / "copies"
    assert (copies / str(cast.acme.pk)).is_dir()

    assert delete_closed_organizations(now=now + timedelta(days=7, seconds=1)) == [cast.acme.pk]
    assert rows_of(cast.acme) == {"audit_auditevent": 1}, "only that it was deleted"
    assert rows_of(cast.globex) == theirs
    forget_gone_copies(worker)
    assert not (copies / str(cast.acme.pk)).exists()
    with pytest.raises(SlugRefused):
        create_organization(name="Acme", slug="acme", owner=User.objects.get(pk=cast.charlie.user_id))
    assert Organization.objects.get(slug="acme").name == ""
    assert delete_closed_organizations(now=now + timedelta(days=8)) == []


def test_an_organization_that_is_kept_after_all_loses_nothing(cast: Cast) -> None:
    now = timezone.now()
    organizations.close_organization(principal=cast.alice, confirmation="acme", now=now)
    organizations.keep_organization(principal=cast.alice)
    before = rows_of(cast.acme)
    assert delete_closed_organizations(now=now + timedelta(days=8)) == []
    assert rows_of(cast.acme) == before


def test_the_application_cannot_forget_a_living_organizations_log(cast: Cast) -> None:
    with within(cast.acme):
        before = AuditEvent.objects.for_organization(cast.acme).count()
        with connection.cursor() as cursor:
            cursor.execute("SELECT forget_audit_of_closed(%s)", [cast.acme.pk])
            cursor.execute("SELECT forget_person_in_audit(%s, %s)", [cast.alice.user_id, []])
        events = AuditEvent.objects.for_organization(cast.acme)
        assert events.count() == before > 0
        assert "an erased person" not in events.values_list("actor_name", flat=True)


def test_closing_needs_the_address_typed_and_stops_all_that_is_served(cast: Cast) -> None:
    from connector.credentials import Unauthenticated, principal_of_bearer
    from skillport.organizations.services.organizations import NotConfirmed
    from skillport.principal import Door

    header = f"Bearer {key_of(cast.bob)}"
    with pytest.raises(NotConfirmed):
        organizations.close_organization(principal=cast.alice, confirmation="Acme", now=timezone.now())
    assert principal_of_bearer(header=header, slug="acme", door=Door.API)
    organizations.close_organization(principal=cast.alice, confirmation="acme", now=timezone.now())
    with pytest.raises(Unauthenticated):
        principal_of_bearer(header=header, slug="acme", door=Door.API)
    organizations.keep_organization(principal=cast.alice)
    assert principal_of_bearer(header=header, slug="acme", door=Door.API)


# --- people -----------------------------------------------------------------------------------------------------------


def test_an_erased_person_is_nowhere_and_the_log_keeps_an_opaque_id(cast: Cast) -> None:
    user = User.objects.get(pk=cast.bob.user_id)
    Identity.objects.create(user=user, issuer="https://id.example", subject="bob")
    add_member(organization=cast.globex, user=user, role=Role.ADMIN, actor=cast.charlie)
    in_globex = principal(cast.globex, user.pk)
    cookie_of(cast.bob.user_id)
    groups.create_group(principal=in_globex, name="Made by Bob")
    invited = invitations.create_invitation(
        principal=cast.alice, email="bobby-of-old@example.org", role=Role.MEMBER, now=timezone.now()
    )
    with within(cast.acme):  # the one that Bob accepted, under an address that he has no longer
        Invitation.objects.for_organization(cast.acme).filter(pk=invited.invitation.id).update(
            accepted_at=timezone.now(), membership_id=cast.bob.membership_id
        )

    erase_person(user_id=user.pk, now=timezone.now())

    assert not Session.objects.filter(user=user).exists()
    assert not Identity.objects.filter(user=user).exists()
    user.refresh_from_db()
    assert (user.name, user.email, user.is_active, user.has_usable_password()) == ("", "", False, False)
    with across_organizations(reason="tests look at everything"):
        events = AuditEvent.objects.all_organizations()
        told = " ".join(
            f"{event.actor_name} {event.target_name} {event.details}" for event in events
        ).casefold()
        assert "bob@" not in told
        assert "bobby" not in told
        assert not Invitation.objects.all_organizations().filter(email__startswith="bobby").exists()
        assert "bob " not in told.replace("made by bob", "")
        made = events.get(action=Action.GROUP_CREATED)
        assert (made.actor, made.actor_name) == (f"user:{user.pk}", "an erased person")
        assert events.filter(action=Action.PERSON_ERASED).count() == 2, "one in each organization"


def test_the_only_owner_is_not_erased_before_somebody_else_is_one(cast: Cast) -> None:
    with pytest.raises(StillTheLastOwner, match="acme"):
        erase_person(user_id=cast.alice.user_id, now=timezone.now())
    assert User.objects.get(pk=cast.alice.user_id).name == "Alice"
    assert principal(cast.acme, cast.alice.user_id)
