"""The isolation table: every way in, and that it tells a stranger nothing about an organization (T-ISO-1).

Two organizations look alike, and the first is full of canaries (`tests/isolation/`). Each address, tool, socket and task
is tried by everybody who must not see it, with every id that it has. What is not in `tests/isolation/tables.py` fails
the suite, so a new way in comes with its row; a new table comes with a row of the first organization's. Here a sample
of the requests is made; `python -m tests.benchmarks.isolation` makes them all.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.core import mail

from connector.mcp.tools import TOOLS
from marketplaces import consumers, progress
from marketplaces.models import SyncRun, Trigger
from marketplaces.services import queue
from marketplaces.services.worker import Worker
from skillport import asgi, scoping
from skillport.demo.git_host import GitHost
from skillport.errors import SkillportError
from skillport.organizations import doors
from skillport.organizations.models import Organization
from skillport.organizations.pages import members as members_pages
from skillport.organizations.services.members import get_member
from skillport.principal import Principal, SystemActor
from skillport.scoping import ScopedQuerySet, within
from tests.isolation.asking import Asker, Caller, Case, Request
from tests.isolation.beside import forged_messages, open_socket, our_tasks, what_a_socket_says
from tests.isolation.canaries import CANARY, KEPT, owned_models
from tests.isolation.cases import A_SAMPLE, from_outside, neighbours, outsiders, with_their_ids
from tests.isolation.everything import Known, look_around, run
from tests.isolation.harvest import empty_tables, fingerprint
from tests.isolation.routes import Route, all_routes
from tests.isolation.tables import (
    API,
    BY_OWN_CREDENTIAL,
    OWN,
    OWN_ACCOUNT,
    PAGES,
    PUBLIC,
    SIGN_IN,
    SILENT,
    SOCKETS,
    TASKS,
    TOOL_NAMES,
)
from tests.isolation.world import ABSENT, OURS, THEIRS, World, make_world
from tests.running import Running
from tests.watching import present_state


def test_every_way_in_is_in_the_table() -> None:
    pages = {f"<org:organization>/{page}" for page in PAGES}
    api = {f"<org:organization>/api/v1/{address}" for address in API}
    listed = api | pages | OWN | PUBLIC | SIGN_IN | OWN_ACCOUNT | BY_OWN_CREDENTIAL
    assert {route.pattern for route in all_routes()} == listed
    assert {tool.name for tool in TOOLS} == TOOL_NAMES
    assert asgi.SOCKETS.keys() == SOCKETS
    assert our_tasks().keys() == TASKS.keys()


@pytest.fixture
def world(live: Running, git_host: GitHost, worker: Worker) -> World:
    return make_world(git_host, worker)


@pytest.fixture
def asker() -> Iterator[Asker]:
    with Asker() as made:
        yield made


def test_there_is_something_of_ours_in_every_table(
    transactional_db: None, git_host: GitHost, worker: Worker
) -> None:
    """Where nothing is, nothing can leak: a new table comes with a row in `tests/isolation/world.py`."""
    made = make_world(git_host, worker)
    assert empty_tables(made.ours.organization) == []
    columns = {
        f"{one._meta.db_table}.{field.column}"
        for one in owned_models()
        for field in one._meta.concrete_fields
    }
    assert KEPT.keys() <= columns


def test_strangers_learn_nothing_and_change_nothing(
    world: World, asker: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    """Missing and foreign are the same, byte for byte; no canary is in an answer, a mail or a line of the log.

    Seen red with each of the planted faults below.
    """
    caplog.set_level(logging.INFO)
    before = fingerprint(world.ours.organization)
    outcome = run(world, look_around(world), asker, A_SAMPLE)
    assert outcome.problems == []
    assert outcome.requests > 2000
    assert outcome.statuses[500] == 0
    assert fingerprint(world.ours.organization) == before
    mails = "".join(str(message.message()) for message in mail.outbox)
    for sent in outcome.sent:
        mails = mails.replace(sent, "")
    lines = [_logged(record) for record in caplog.records]
    assert any('"Request"' in line for line in lines)
    for secret in [CANARY, *world.secrets]:
        assert secret not in mails
        assert [line for line in lines if secret in line] == []


def _logged(record: logging.LogRecord) -> str:
    """Give all that a record holds, without the address that was asked for: strangers name things there."""
    told = {name: value for name, value in vars(record).items() if name not in {"path", "request"}}
    if record.name.startswith("django."):
        told = {**told, "args": (), "message": ""}
    return str(told).replace("'msg': 'Request'", '"Request"')


def test_what_strangers_ask_for_is_there_for_those_who_may(world: World, asker: Asker) -> None:
    """The other side of it: with the same ids, our owner gets an answer at every address, and finds canaries on most."""
    known = look_around(world)
    owner = [
        Caller("owner", cookie=world.ours.cookies["owner"]),
        Caller("owner", key=world.ours.keys["owner"]),
    ]
    missing, silent = [], []
    for route in (one for one in known.routes if one.of_organization):
        shown, there = (
            [
                asker.ask(who, Request(method, address))
                for who in owner
                for address in _right_addresses(route, known)
            ]
            for method in ("GET", "OPTIONS")
        )
        kept = [dict(answer.headers).get("cache-control", "") for answer in shown + there]
        assert all("no-store" in said and "private" in said for said in kept), route.pattern
        if all(answer.status in {401, 404} for answer in shown + there):
            missing.append(route.pattern)
        if any(answer.status == 200 for answer in shown) and not any(
            answer.tells(CANARY) for answer in shown
        ):
            silent.append(route.pattern.removeprefix("<org:organization>/"))
    assert missing == []
    assert set(silent) == SILENT


def _right_addresses(route: Route, known: Known) -> list[str]:
    meant = [[one.value for one in known.ours if variable.means(one)] for variable in route.variables]
    return [route.filled(OURS, given) for given in (zip(*meant, strict=False) if meant else [()])]


# --- sockets and tasks ------------------------------------------------------------------------------------------------


def test_no_stranger_opens_a_socket(world: World) -> None:
    for address in SOCKETS:
        for caller in outsiders(world):
            answer = what_a_socket_says(caller, OURS, address)
            assert answer[0] != "opened", caller
            assert answer == what_a_socket_says(caller, ABSENT, address), caller
        assert what_a_socket_says(Caller("owner", key=world.ours.keys["owner"]), OURS, address)[0] == "opened"


def _frame_reaches_a_neighbour(
    world: World, tell: Callable[[Organization], object], patience: float = 0.5
) -> bool:
    """Tell whether the frame that our owner gets comes to the other owner too, within so many seconds."""
    (address,) = SOCKETS
    own, others = (Caller("owner", key=side.keys["owner"]) for side in (world.ours, world.theirs))
    with open_socket(own, OURS, address) as ours, open_socket(others, THEIRS, address) as theirs:
        for each in (ours, theirs):
            present_state(each)
        tell(world.ours.organization)
        frame = ours.recv(timeout=20)
        with suppress(TimeoutError):
            while theirs.recv(timeout=patience) != frame:
                pass  # one of their own, which came late
            return True
        return False


def test_frames_go_to_the_organization_they_are_about(world: World) -> None:
    assert not _frame_reaches_a_neighbour(world, _sync)


def _sync(organization: Organization) -> None:
    with within(organization):
        last = SyncRun.objects.for_organization(organization).latest("id")
    queue.request_sync(
        organization=organization, marketplace_id=last.marketplace_id, trigger=Trigger.MANUAL,
        actor=SystemActor(organization_id=organization.pk, what="test"),
    )  # fmt: skip


def test_frames_for_everybody_are_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: one group for all organizations. Told from here: a worker process would not have the fault."""
    for module in (consumers, progress):
        monkeypatch.setattr(module, "group_name", lambda _: "everybody")
    assert _frame_reaches_a_neighbour(
        world, lambda ours: progress.publish(ours.pk, {"phase": "asking"}), patience=20
    )


@pytest.fixture
def waiting(
    transactional_db: None, git_host: GitHost, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> World:
    """The two organizations, without a worker that would take up the run that waits in ours."""
    monkeypatch.setattr(queue, "_hint", lambda *_: None)
    made = make_world(git_host, worker)
    with within(made.ours.organization):
        last = SyncRun.objects.for_organization(made.ours.organization).latest("id")
        SyncRun.objects.create(
            organization=made.ours.organization, marketplace_id=last.marketplace_id, trigger=Trigger.POLL
        )
    return made


def _handle_forged_messages(world: World) -> None:
    tasks = our_tasks()
    for name, message in forged_messages(look_around(world).ours, world.theirs.organization.pk):
        tasks[name].run(**message)


def test_a_task_told_of_another_organizations_rows_changes_nothing(waiting: World) -> None:
    before = fingerprint(waiting.ours.organization)
    _handle_forged_messages(waiting)
    assert fingerprint(waiting.ours.organization) == before


def test_a_task_that_believes_its_message_is_found_out(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with both walls down, the forged message takes up a run of ours."""
    before = fingerprint(waiting.ours.organization)
    _tear_down_both_walls(monkeypatch)
    _handle_forged_messages(waiting)
    monkeypatch.undo()
    assert fingerprint(waiting.ours.organization) != before


# --- planted faults ---------------------------------------------------------------------------------------------------


def _tear_down_both_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every query read everybody's rows, and let the database show them."""
    reaching = scoping._reaching

    def everybody(_: Any, *, using: str, **__: Any) -> Any:
        return reaching(scoping.EVERYBODY, role=settings.DATABASE_ACROSS_ROLE, setting="", using=using)

    monkeypatch.setattr(scoping, "_reaching", everybody)
    monkeypatch.setattr(ScopedQuerySet, "for_organization", lambda self, _: self.all_organizations())


def _cases(world: World, pattern: str) -> list[Case]:
    """Give what is tried at one address, from outside and with foreign ids."""
    known = look_around(world)
    routes = [route for route in known.routes if route.pattern == f"<org:organization>/{pattern}"]
    return [
        *from_outside(routes, outsiders(world), known.ours, A_SAMPLE),
        *with_their_ids(routes, neighbours(world), known.only_ours, known.theirs, A_SAMPLE),
    ]


MEMBER = "settings/members/<uuid:membership_id>/"


def test_without_a_fault_nothing_is_found(world: World, asker: Asker) -> None:
    assert asker.run(_cases(world, MEMBER)).problems == []


def test_a_lookup_in_everybodys_rows_is_found_out(
    world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = _cases(world, MEMBER)
    _tear_down_both_walls(monkeypatch)
    outcome = asker.run(cases)
    monkeypatch.undo()
    assert any(leak.startswith("the other owner, in a browser: GET") for leak in outcome.leaks)


def test_an_answer_that_tells_foreign_from_missing_is_found_out(
    world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {who.membership_id for who in world.ours.people.values()}
    look_up = get_member

    class NotYours(SkillportError):
        code, status, message = "not_yours", 404, "That is somebody else's."

    def tells(**asked: Any) -> Any:
        if asked["membership_id"] in ours and asked["principal"].organization.slug == THEIRS:
            raise NotYours
        return look_up(**asked)

    monkeypatch.setattr(members_pages, "get_member", tells)
    outcome = asker.run(_cases(world, MEMBER))
    assert outcome.leaks == []
    assert outcome.differences != []


def test_a_door_that_any_session_opens_is_found_out(
    world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anybody(*, cookie: str | None, slug: str, **_: Any) -> Principal | None:
        side = world.ours if slug == OURS else world.theirs
        return side.owner if cookie and slug != ABSENT else None

    monkeypatch.setattr(doors, "principal_of_session", anybody)
    outcome = asker.run(_cases(world, MEMBER))
    assert any(leak.startswith("a removed member, in a browser: GET") for leak in outcome.leaks)
