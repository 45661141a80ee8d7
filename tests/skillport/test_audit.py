"""The audit log: no action without its event, no event without its action, and none is ever changed."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from skillport.audit import log as audit
from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.logs import request_id
from skillport.scoping import ScopeConflict, across_organizations, within
from tests.cast import Cast, make_cast
from tests.conftest import owner_connection


def record(cast: Cast, name: str = "a thing") -> None:
    audit.record(
        Action.SYNC_REQUESTED, actor=cast.alice, target=audit.Target("thing", 7, name), reason="test"
    )


def names(cast: Cast, *, of_globex: bool = False) -> list[str]:
    organization = cast.globex if of_globex else cast.acme
    with within(organization):
        events = AuditEvent.objects.for_organization(organization).filter(action=Action.SYNC_REQUESTED)
        return list(events.order_by("pk").values_list("target_name", flat=True))


def test_an_event_says_who_did_what_to_what_through_which_door(cast: Cast) -> None:
    ours = request_id.set("0123abc")
    try:
        with within(cast.acme):
            record(cast, "x" * 400)
            event = AuditEvent.objects.for_organization(cast.acme).order_by("pk").last()
    finally:
        request_id.reset(ours)
    assert event is not None
    assert (event.action, event.actor, event.actor_name) == (
        "sync:requested",
        f"user:{cast.alice.user_id}",
        "Alice",
    )
    assert (event.door, event.target, event.target_name) == ("command-line", "thing:7", "x" * 300)
    assert (event.details, event.request_id, event.organization_id) == (
        {"reason": "test"},
        "0123abc",
        cast.acme.pk,
    )
    assert event.happened_at is not None


def test_an_event_is_kept_or_rolled_back_with_its_action(cast: Cast) -> None:
    with pytest.raises(InterruptedError), within(cast.acme):
        record_and_fail(cast)
    assert names(cast) == []
    with within(cast.acme):
        record(cast, "kept")
        with pytest.raises(InterruptedError), transaction.atomic():
            record_and_fail(cast)
    assert names(cast) == ["kept"]


def record_and_fail(cast: Cast) -> None:
    record(cast, "lost")
    assert AuditEvent.objects.for_organization(cast.acme).filter(target_name="lost").exists()
    raise InterruptedError


def test_an_event_is_recorded_inside_its_own_organization_only(cast: Cast) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), within(cast.globex):
        record(cast)
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        record(cast)


def test_events_of_another_organization_are_invisible(cast: Cast) -> None:
    with within(cast.acme):
        record(cast, "acme's")
    assert names(cast) == ["acme's"]
    assert names(cast, of_globex=True) == []
    with within(cast.globex), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_auditevent WHERE organization_id = %s", [cast.acme.pk])
        assert cursor.fetchone() == (0,)
    with pytest.raises(ScopeConflict), within(cast.globex), within(cast.acme):
        pass
    # The twin: the row is there for whoever may see it.
    with across_organizations(reason="test"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_auditevent WHERE target_name = %s", ["acme's"])
        assert cursor.fetchone() == (1,)


CHANGES: dict[str, Callable[[Cast], object]] = {
    "update": lambda _: _run("UPDATE audit_auditevent SET actor_name = 'somebody else'"),
    "delete": lambda _: _run("DELETE FROM audit_auditevent"),
    "truncate": lambda _: _run("TRUNCATE audit_auditevent"),
    "overwrite": lambda _: _run(
        "INSERT INTO audit_auditevent (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET door = ''"
    ),
    "lock": lambda _: _run("SELECT 1 FROM audit_auditevent FOR UPDATE"),
    "disable the wall": lambda _: _run("ALTER TABLE audit_auditevent DISABLE ROW LEVEL SECURITY"),
    "give oneself the right": lambda _: _run(
        "GRANT UPDATE ON audit_auditevent TO current_user; UPDATE audit_auditevent SET door = ''"
    ),
    "update through the model": lambda cast: AuditEvent.objects.for_organization(cast.acme).update(door="x"),
    "delete through the model": lambda cast: AuditEvent.objects.for_organization(cast.acme).delete(),
}


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def recorded(cast: Cast) -> Cast:
    with within(cast.acme):
        record(cast)
    return cast


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("crossing", [False, True], ids=["within", "across organizations"])
def test_the_database_refuses_to_change_an_event(
    recorded: Cast, change: Callable[[Cast], object], crossing: bool
) -> None:
    block = across_organizations(reason="test") if crossing else within(recorded.acme)
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        block,
    ):
        change(recorded)
    assert names(recorded) == ["a thing"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("crossing", [False, True], ids=["within", "across organizations"])
def test_with_the_right_that_was_taken_away_it_would_change(crossing: bool) -> None:
    """The twin: the missing right is what refuses; where it is given back, the very same statement works."""
    cast = make_cast()
    with within(cast.acme):
        record(cast)
    roles = f"{settings.DATABASE_APP_ROLE}, {settings.DATABASE_ACROSS_ROLE}"
    with owner_connection() as owner:
        owner.execute(f"GRANT UPDATE, DELETE ON audit_auditevent TO {roles}".encode())
    try:
        with across_organizations(reason="test") if crossing else within(cast.acme):
            CHANGES["update"](cast)
            CHANGES["delete"](cast)
    finally:
        with owner_connection() as owner:
            owner.execute(f"REVOKE UPDATE, DELETE ON audit_auditevent FROM {roles}".encode())
    assert names(cast) == []
