"""Whatever befalls the git host or the repository: members keep what they had, the run says what to do, and a later one mends it."""

import datetime as dt
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db.models import F
from django.db.models.functions import Now

from marketplaces.git import head
from marketplaces.models import Marketplace, SyncRun, Trigger
from marketplaces.models.marketplace import POLL_SECONDS
from marketplaces.services import catalog, queue, sync
from marketplaces.services.queue import SyncsStopped
from marketplaces.services.worker import Worker
from skillport.demo.git_host import git
from skillport.outbound import Origin, Outbound
from skillport.scoping import within
from tests.cast import Cast
from tests.marketplaces.git.hosts import (
    LISTED,
    Answers,
    FakeHost,
    Request,
    Reset,
    always,
    answer,
    speaking_v2,
)
from tests.publishing import current_commit, publish, sync_now
from tests.repositories import SMALL, NewRepository, Repository
from tests.skillport.loopback import listening

pytestmark = pytest.mark.usefixtures("no_other_worker")


@dataclass
class Bound:
    """A repository whose first commit is served."""

    cast: Cast
    repository: Repository
    worker: Worker
    marketplace_id: UUID
    commit: str

    def row(self) -> Marketplace:
        with within(self.cast.acme):
            return Marketplace.objects.for_organization(self.cast.acme).get(pk=self.marketplace_id)

    def lead_to(self, url: str) -> None:
        """Let the repository be where a faulty host is, which the operator allows."""
        outbound = Outbound(self.worker.outbound.allowed_origins | {Origin.parse(url)})
        object.__setattr__(self.worker, "outbound", outbound)
        with within(self.cast.acme):
            own = Marketplace.objects.for_organization(self.cast.acme)
            own.filter(pk=self.marketplace_id).update(url=url)

    def look(self) -> SyncRun:
        """Do what the clock does."""
        run_id = queue.request_sync(
            organization=self.cast.acme, marketplace_id=self.marketplace_id, trigger=Trigger.POLL, actor=self.cast.alice
        )  # fmt: skip
        sync.run(organization_id=self.cast.acme.pk, sync_run_id=run_id, worker=self.worker)
        with within(self.cast.acme):
            return SyncRun.objects.for_organization(self.cast.acme).get(pk=run_id)

    def pause_seconds(self) -> float:
        """Give how long from now on the clock leaves it alone."""
        with within(self.cast.acme):
            own = Marketplace.objects.for_organization(self.cast.acme).filter(pk=self.marketplace_id)
            left: dt.timedelta = own.values_list(F("next_poll_at") - Now(), flat=True).get()
            return left.total_seconds()

    def assert_served(self) -> None:
        assert current_commit(self.cast.alice, self.marketplace_id) == self.commit
        names = [one.name for one in catalog.list_skills(principal=self.cast.bob).skills]
        assert names == ["hello", "secret"]


@pytest.fixture
def bound(cast: Cast, new_repository: NewRepository, worker: Worker) -> Bound:
    repository = new_repository({})
    commit = repository.commit(SMALL)
    return Bound(cast, repository, worker, publish(cast.alice, repository, worker), commit)


def resets(_: Request) -> Iterator[bytes]:
    yield answer(body=LISTED + b"0000")[0][:-10]
    raise Reset


def drips(_: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX: "
    while True:
        yield b"y" * 1000


def lists_and_resets(request: Request) -> Iterator[bytes]:
    """Tell a newer commit, and break off in the middle of the pack."""
    if b"command=ls-refs" in request.body:
        yield from answer(body=LISTED + b"0000")
    elif b"command=fetch" in request.body:
        yield from speaking_v2([b"000dpackfile\n", b"0fff\x01PACK\0\0\0\2\0\0"])(request)
        raise Reset
    else:
        yield from speaking_v2([])(request)


@dataclass(frozen=True)
class Fault:
    answers: Answers | None
    code: str
    waits_for_people: bool = False
    asked_to_wait: int = 0


FAULTS = {
    "silent": Fault(None, "host_unreachable"),
    "never ends its header": Fault(drips, "host_unreachable"),
    "resets": Fault(resets, "host_unreachable"),
    "resets in the middle of a fetch": Fault(lists_and_resets, "fetch_failed"),
    "401": Fault(always(401), "credential_refused", waits_for_people=True),
    "403": Fault(always(403), "credential_refused", waits_for_people=True),
    "404": Fault(always(404), "repository_not_found"),
    "429": Fault(always(429), "git_host_rate_limited", asked_to_wait=POLL_SECONDS),
    "429 with an hour": Fault(always(429, Retry_After="3600"), "git_host_rate_limited", asked_to_wait=3600),
    "403 with an hour": Fault(always(403, Retry_After="3600"), "git_host_rate_limited", asked_to_wait=3600),
    "500": Fault(always(500), "repository_unreadable"),
    "503": Fault(always(503), "repository_unreadable"),
    "503 with an hour": Fault(always(503, Retry_After="3600"), "git_host_rate_limited", asked_to_wait=3600),
    "a page": Fault(always(200, b"<html>", content_type="text/html"), "not_a_git_repository"),
    "moved to another owner": Fault(
        lambda request: answer(301, Location=f"/other{request.path}"), "repository_moved", waits_for_people=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_faulty_host_costs_members_nothing_and_is_asked_again_in_time(
    bound: Bound, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault.answers is None:
        monkeypatch.setattr(head, "_DEADLINE_SECONDS", 0.3)
    right = bound.repository.url
    with FakeHost(fault.answers) as host:
        bound.lead_to(f"{host.url}/acme/skills.git")
        failed = bound.look()
        assert (failed.state, failed.error_code) == ("failed", fault.code)
        assert len(failed.error_message) > 40, "says what to do"
        bound.assert_served()
        asked = len(host.requests)
        _assert_left_alone(bound, fault)
        assert len(host.requests) == asked
    bound.lead_to(right)
    _recovers(bound)


def _assert_left_alone(bound: Bound, fault: Fault) -> None:
    row = bound.row()
    assert bool(row.attention) == fault.waits_for_people
    if fault.waits_for_people:
        with pytest.raises(SyncsStopped):
            bound.look()
        return
    # Up to a tenth more, so that not everything is asked for at once; measured a while after it was written.
    wanted = max(fault.asked_to_wait, POLL_SECONDS)
    assert wanted - 120 < bound.pause_seconds() <= wanted * 1.1
    assert (row.quiet_until is not None) == bool(fault.asked_to_wait)
    if fault.asked_to_wait:
        assert bound.look().state == "queued", "nor does a webhook or a person end the pause"


def _recovers(bound: Bound) -> None:
    """Let time pass, and see a person's wish bring what is newest by now."""
    with within(bound.cast.acme):
        own = Marketplace.objects.for_organization(bound.cast.acme).filter(pk=bound.marketplace_id)
        own.update(quiet_until=None)
    newest = bound.repository.commit({**SMALL, "NEWS.md": "Back.\n"})
    run = sync_now(bound.cast.alice, bound.marketplace_id, bound.worker)
    assert run.state == "succeeded", run.error_message
    assert current_commit(bound.cast.alice, bound.marketplace_id) == newest
    row = bound.row()
    assert (row.failures, row.attention) == (0, "")
    assert bound.pause_seconds() <= POLL_SECONDS * 1.1


def test_a_host_that_is_down_or_has_a_wrong_certificate_is_one_that_cannot_be_reached(
    bound: Bound, tmp_path: Path
) -> None:
    right = bound.repository.url
    context = _self_signed(tmp_path)

    def handle(client: Any, _: Any) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(client, server_side=True) as secure:
            secure.recv(65536)
            requests.append(secure)

    requests: list[object] = []
    with listening(handle) as impostor:
        bound.lead_to(f"https://127.0.0.1:{impostor.port}/acme/skills.git")
        wrong = bound.look()
        assert impostor.connections() == 1
    down = bound.look()
    assert wrong.error_code == down.error_code == "host_unreachable"
    assert wrong.error_message == down.error_message
    assert requests == [], "it was told nothing"
    bound.assert_served()
    bound.lead_to(right)
    _recovers(bound)


def _self_signed(folder: Path) -> ssl.SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256())
    form, open_form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = folder / "impostor.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, open_form)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


# --- what happens to the repository -------------------------------------------------------------------------------------


@contextmanager
def deleted(repository: Repository) -> Iterator[None]:
    aside = repository.folder.with_suffix(".aside")
    repository.folder.rename(aside)
    try:
        yield
    finally:
        shutil.move(aside, repository.folder)


@contextmanager
def branch_gone(repository: Repository) -> Iterator[None]:
    git("branch", "-m", "main", "trunk", folder=repository.folder)
    try:
        yield
    finally:
        git("branch", "-m", "trunk", "main", folder=repository.folder)


GONE: dict[str, tuple[Callable[[Repository], Any], str]] = {
    "deleted": (deleted, "repository_not_found"),
    "its branch renamed": (branch_gone, "branch_not_found"),
}


@pytest.mark.parametrize(("happens", "code"), GONE.values(), ids=GONE)
def test_what_is_gone_is_looked_for_again_and_found_when_it_is_back(
    bound: Bound, happens: Callable[[Repository], Any], code: str
) -> None:
    with within(bound.cast.acme):
        own = Marketplace.objects.for_organization(bound.cast.acme).filter(pk=bound.marketplace_id)
        own.update(branch="main")
    with happens(bound.repository):
        failed = bound.look()
        assert (failed.state, failed.error_code) == ("failed", code)
        assert len(failed.error_message) > 40, "says what to do"
        bound.assert_served()
        assert not bound.row().attention, "it may come back by itself"
    _recovers(bound)


def test_a_default_branch_that_is_renamed_is_followed(bound: Bound) -> None:
    git("branch", "-m", "main", "trunk", folder=bound.repository.folder)
    newest = bound.repository.commit({**SMALL, "NEWS.md": "Renamed.\n"}, branch="trunk")
    assert bound.look().state == "succeeded"
    assert current_commit(bound.cast.alice, bound.marketplace_id) == newest


def test_history_that_is_rewritten_is_one_more_snapshot(bound: Bound) -> None:
    git("update-ref", "-d", "refs/heads/main", folder=bound.repository.folder)
    rewritten = bound.repository.commit({**SMALL, "NEWS.md": "Another history.\n"})
    assert bound.look().state == "succeeded"
    assert current_commit(bound.cast.alice, bound.marketplace_id) == rewritten
    git("update-ref", "refs/heads/main", bound.commit, folder=bound.repository.folder)
    assert bound.look().state == "succeeded", "and so is the way back"
    bound.assert_served()
