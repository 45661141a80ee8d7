"""A repository moves after it was bound: nobody follows it before an administrator has said so."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from marketplaces.git.errors import CredentialRefused, RepositoryMoved
from marketplaces.models import Marketplace
from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from marketplaces.services.moving import NotMovedThere, confirm_move
from marketplaces.services.worker import Worker
from skillport.audit.models import AuditEvent
from skillport.errors import NotFound
from skillport.outbound import Origin, Outbound
from skillport.permissions import NotAllowed
from skillport.principal import Door
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.git.hosts import LISTED, FakeHost, Request, answer
from tests.publishing import sync_now
from tests.signing_in import browser_of

OLD, NEW = "stored-token-0123456789", "another-token-9876543210"
Answers = Callable[[Request], Iterator[bytes]]


def listing(_: Request) -> Iterator[bytes]:
    yield from answer(body=LISTED + b"0000")


def pointing(to: str) -> Answers:
    return lambda _: iter(answer(301, Location=f"{to}/git-upload-pack"))


def renamed(request: Request) -> Iterator[bytes]:
    """Answer as a host on which acme/skills is called acme/renamed by now."""
    known = request.path.startswith("/acme/renamed.git/")
    yield from listing(request) if known else pointing("/acme/renamed.git")(request)


def credentials_of(host: FakeHost) -> set[str]:
    """Give what the host was told as passwords."""
    said = (request.headers.get("authorization", "") for request in host.requests)
    return {base64.b64decode(one.removeprefix("Basic ")).decode().partition(":")[2] for one in said}


@pytest.fixture
def allow(settings: Any, worker: Worker) -> Callable[..., Worker]:
    """Let the operator allow hosts, for the pages and for the worker that is given."""

    def add(*hosts: FakeHost) -> Worker:
        settings.OUTBOUND_ALLOWED_ORIGINS |= {Origin.parse(host.url) for host in hosts}
        return replace(worker, outbound=Outbound(settings.OUTBOUND_ALLOWED_ORIGINS))

    return add


def bound_at(cast: Cast, host: FakeHost, path: str = "/acme/skills.git") -> UUID:
    return bind_marketplace(
        principal=cast.alice, slug="skills", url=f"{host.url}{path}", credential=Credential(OLD)
    ).marketplace_id


def stored(cast: Cast, marketplace_id: UUID) -> Marketplace:
    with within(cast.acme):
        return Marketplace.objects.for_organization(cast.acme).get(pk=marketplace_id)


def test_a_sync_tells_where_to_and_the_same_host_gets_the_stored_token_once_confirmed(
    cast: Cast, allow: Callable[..., Worker]
) -> None:
    with FakeHost(renamed) as host:
        marketplace_id = bound_at(cast, host)
        run = sync_now(cast.alice, marketplace_id, allow(host))
        assert run.error_code == "repository_moved"
        to = f"{host.url}/acme/renamed.git"
        assert to in run.error_message
        assert stored(cast, marketplace_id).moved_to == to
        assert {one.path for one in host.requests} == {"/acme/skills.git/git-upload-pack"}, (
            "nobody followed it"
        )
        confirm_move(principal=cast.alice, marketplace_id=marketplace_id, address=to)
        assert credentials_of(host) == {OLD}
    now = stored(cast, marketplace_id)
    assert (now.url, now.moved_to, now.credential.open()) == (to, "", OLD)
    with within(cast.acme):
        newest = AuditEvent.objects.for_organization(cast.acme).filter(action="marketplace:address-changed")
        assert newest.latest("id").details["url"] == to


def test_another_host_never_sees_the_stored_token(cast: Cast, allow: Callable[..., Worker]) -> None:
    with FakeHost(listing) as other, FakeHost(pointing(f"{other.url}/acme/skills.git")) as host:
        marketplace_id = bound_at(cast, host)
        sync_now(cast.alice, marketplace_id, allow(host, other))
        assert other.requests == []
        confirm_move(
            principal=cast.alice, marketplace_id=marketplace_id, address=f"{other.url}/acme/skills.git",
            credential=Credential(NEW),
        )  # fmt: skip
        assert credentials_of(other) == {NEW}
    now = stored(cast, marketplace_id)
    assert (now.url, now.credential.open(), now.credential_last_four) == (
        f"{other.url}/acme/skills.git", NEW, NEW[-4:],
    )  # fmt: skip


def test_without_a_token_another_host_is_asked_without_one(cast: Cast, allow: Callable[..., Worker]) -> None:
    def private(request: Request) -> Iterator[bytes]:
        yield from listing(request) if "authorization" in request.headers else answer(401)

    with FakeHost(private) as other, FakeHost(pointing(f"{other.url}/acme/skills.git")) as host:
        marketplace_id = bound_at(cast, host)
        sync_now(cast.alice, marketplace_id, allow(host, other))
        with pytest.raises(CredentialRefused):
            confirm_move(
                principal=cast.alice, marketplace_id=marketplace_id, address=f"{other.url}/acme/skills.git"
            )
        assert credentials_of(other) == {""}
    now = stored(cast, marketplace_id)
    assert (now.url, now.moved_to) == (f"{host.url}/acme/skills.git", f"{other.url}/acme/skills.git")
    assert now.credential.open() == OLD, "nothing has changed"


def test_a_place_that_points_further_is_to_be_confirmed_anew(
    cast: Cast, allow: Callable[..., Worker]
) -> None:
    def chain(request: Request) -> Iterator[bytes]:
        first = request.path.startswith("/acme/skills.git/")
        yield from pointing("/acme/second.git" if first else "/acme/third.git")(request)

    with FakeHost(chain) as host:
        marketplace_id = bound_at(cast, host)
        sync_now(cast.alice, marketplace_id, allow(host))
        second = f"{host.url}/acme/second.git"
        with pytest.raises(RepositoryMoved):
            confirm_move(principal=cast.alice, marketplace_id=marketplace_id, address=second)
        assert stored(cast, marketplace_id).moved_to == f"{host.url}/acme/third.git"
        with pytest.raises(NotMovedThere):
            confirm_move(principal=cast.alice, marketplace_id=marketplace_id, address=second)


def test_only_what_was_shown_is_confirmed_and_only_by_who_may(
    cast: Cast, allow: Callable[..., Worker]
) -> None:
    with FakeHost(renamed) as host:
        marketplace_id = bound_at(cast, host)
        with pytest.raises(NotMovedThere):
            confirm_move(principal=cast.alice, marketplace_id=marketplace_id, address="")
        sync_now(cast.alice, marketplace_id, allow(host))
        asked = len(host.requests)
        with pytest.raises(NotMovedThere):
            confirm_move(principal=cast.alice, marketplace_id=marketplace_id, address=f"{host.url}/evil.git")
        with pytest.raises(NotAllowed):
            confirm_move(
                principal=cast.bob, marketplace_id=marketplace_id, address=f"{host.url}/acme/renamed.git"
            )
        for absent in (marketplace_id, uuid4()):
            with pytest.raises(NotFound):
                confirm_move(principal=cast.charlie, marketplace_id=absent, address=host.url)
        assert len(host.requests) == asked


def test_a_repository_that_came_back_is_no_longer_said_to_have_moved(
    cast: Cast, allow: Callable[..., Worker]
) -> None:
    back: list[bool] = []
    with FakeHost(lambda request: listing(request) if back else renamed(request)) as host:
        marketplace_id = bound_at(cast, host)
        sync_now(cast.alice, marketplace_id, worker := allow(host))
        assert stored(cast, marketplace_id).moved_to
        back.append(True)
        sync_now(cast.alice, marketplace_id, worker)
    assert stored(cast, marketplace_id).moved_to == ""


def test_the_page_shows_where_to_and_confirms_it(cast: Cast, allow: Callable[..., Worker]) -> None:
    alice = browser_of(replace(cast.alice, door=Door.PAGE, confirmed_at=timezone.now()))
    with FakeHost(renamed) as host:
        marketplace_id = bound_at(cast, host)
        page = f"/acme/settings/marketplaces/{marketplace_id}/"
        assert "does not say that this repository has moved" in alice.get(f"{page}moved/").content.decode()
        sync_now(cast.alice, marketplace_id, allow(host))
        to = f"{host.url}/acme/renamed.git"
        for shown in (alice.get(page), alice.get(f"{page}moved/")):
            assert to in shown.content.decode()
        assert "another host" not in alice.get(f"{page}moved/").content.decode()
        assert alice.post(f"{page}moved/", {"address": f"{host.url}/evil.git"}).status_code == 422
        assert alice.post(f"{page}moved/", {"address": to})["Location"] == page
    assert to in alice.get(page).content.decode()
    assert "has moved" not in alice.get(page).content.decode()
