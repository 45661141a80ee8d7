"""The isolation table: every way in, and that it tells a stranger nothing about Acme.

Acme's data is full of canaries. Each address, tool, socket and task is called by everybody who must not see it. What
is not in the table fails the suite, so a new way in comes with its row.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from connector.install.install_tokens import issue_install_token
from connector.mcp.tools import TOOLS
from marketplaces.models import Marketplace, SyncRun
from marketplaces.services import sync
from marketplaces.services.worker import Worker
from skillport.accounts.models import User
from skillport.celery import app as celery
from skillport.organizations.services import add_member, end_membership
from skillport.principal import Role
from skillport.scoping import within
from tests.cast import Cast, key_of, make_cast, principal
from tests.publishing import hide, publish
from tests.repositories import Files, Repository, marketplace, plugin, skill

CANARY = "canary-of-acme"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

# Addresses of one organization: whoever is not inside gets 401, the same as for an organization that is not there.
OF_ORGANIZATION = {
    "<org:organization>/api/v1/schema": "/{org}/api/v1/schema",
    "<org:organization>/api/v1/skills": "/{org}/api/v1/skills",
    "<org:organization>/api/v1/skills/<path:name>": "/{org}/api/v1/skills/" + CANARY,
}
# Addresses that say the same to everybody.
PUBLIC = {"", "livez", "readyz", "robots.txt", "favicon.ico", "sse", "install.sh"}
# Addresses whose credential is in the request itself.
BY_OWN_CREDENTIAL = {"api/install/<str:token>", "api/v1/install/redeem", "hooks/<uuid:marketplace_id>"}
TOOL_ARGUMENTS: dict[str, dict[str, str]] = {
    "whoami": {}, "list_skills": {}, "fetch_skill": {"name": CANARY}, "get_install_token": {"name": CANARY}
}  # fmt: skip
SOCKETS = {"/ws/{org}/sync"}
TASKS = {
    "marketplaces.tasks.run_sync": "takes an organization and a run of it",
    "marketplaces.tasks.sweep_sync_runs": "takes nothing",
    "marketplaces.tasks.poll_marketplaces": "takes nothing",
}


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def test_every_way_in_is_in_the_table() -> None:
    assert set(routes(get_resolver().url_patterns)) == OF_ORGANIZATION.keys() | PUBLIC | BY_OWN_CREDENTIAL
    assert {tool.name for tool in TOOLS} == TOOL_ARGUMENTS.keys()
    celery.loader.import_default_modules()
    assert {name for name in celery.tasks if not name.startswith("celery.")} == TASKS.keys()


@dataclass(frozen=True)
class Acme:
    cast: Cast
    repository: Repository
    marketplace_id: Any
    strangers: dict[str, str]  # who → API key, '' for nobody


@pytest.fixture
def acme(http: httpx2.Client, new_repository: Callable[[Files], Repository], worker: Worker) -> Acme:
    cast = make_cast()
    files: Files = {
        ".claude-plugin/marketplace.json": marketplace(CANARY),
        **plugin(CANARY, **{CANARY.replace("-", "_"): skill(CANARY, CANARY, CANARY)}),
        f"plugins/{CANARY}/skills/{CANARY}/{CANARY}.md": CANARY,
    }
    repository = new_repository(files)
    marketplace_id = publish(cast.alice, repository, worker, CANARY)
    removed = key_of(cast.bob)
    end_membership(organization=cast.acme, membership_id=cast.bob.membership_id, actor=cast.alice)
    strangers = {
        "nobody": "",
        "another organization's owner": key_of(cast.charlie),
        "a removed member": removed,
    }
    return Acme(cast, repository, marketplace_id, strangers)


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


VARYING = {"date", "x-request-id"}


def said(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """Give all that an answer tells, without what differs from request to request."""
    return answer.status_code, answer.content, {k: v for k, v in answer.headers.items() if k not in VARYING}


def test_an_address_tells_a_stranger_what_it_tells_of_nobody(http: httpx2.Client, acme: Acme) -> None:
    for address in [*OF_ORGANIZATION.values(), "/{org}/mcp"]:
        for who, key in acme.strangers.items():
            for method in METHODS:
                ours = http.request(method, address.format(org="acme"), headers=headers(key))
                absent = http.request(method, address.format(org="not-there"), headers=headers(key))
                assert said(ours) == said(absent), (method, address, who)
                assert ours.status_code in {401, 405}, (method, address, who)
                assert CANARY.encode() not in ours.content, (method, address, who)


def test_a_member_without_the_right_is_told_what_is_told_of_nothing(http: httpx2.Client, acme: Acme) -> None:
    person = User.objects.get(pk=acme.cast.charlie.user_id)
    add_member(organization=acme.cast.acme, user=person, role=Role.MEMBER, actor=acme.cast.alice)
    insider = principal(acme.cast.acme, person.pk)
    hide(acme.cast.alice, CANARY, insider)
    key = key_of(insider)
    for method in ("GET", "HEAD"):
        hidden = http.request(method, f"/acme/api/v1/skills/{CANARY}", headers=headers(key))
        absent = http.request(method, "/acme/api/v1/skills/not-there-at-all", headers=headers(key))
        assert said(hidden) == said(absent)
    assert CANARY not in http.get("/acme/api/v1/skills", headers=headers(key)).text
    for tool, arguments in TOOL_ARGUMENTS.items():
        answer = _call(http, "acme", key, tool, arguments)
        nothing = _call(http, "acme", key, tool, dict.fromkeys(arguments, "not-there-at-all"))
        assert CANARY not in answer.text
        if arguments:
            assert said(answer) == said(nothing)


def test_no_tool_of_another_organization_reaches_into_acme(http: httpx2.Client, acme: Acme) -> None:
    key = acme.strangers["another organization's owner"]
    for tool, arguments in TOOL_ARGUMENTS.items():
        for name in (CANARY, f"{CANARY}/{CANARY}", f"{CANARY}/{CANARY}/{CANARY}"):
            given = dict.fromkeys(arguments, name)
            answer = _call(http, "globex", key, tool, given)
            assert answer.status_code == 200
            assert CANARY not in answer.text.replace(json.dumps(name), "")
            assert _call(http, "acme", key, tool, given).status_code == 401


def _call(http: httpx2.Client, slug: str, key: str, tool: str, arguments: dict[str, str]) -> httpx2.Response:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    return http.post(f"/{slug}/mcp", json=body, headers={**headers(key), "Accept": "application/json"})


def test_an_install_token_is_no_key_and_a_key_is_no_install_token(http: httpx2.Client, acme: Acme) -> None:
    secret = issue_install_token(principal=acme.cast.alice, name=CANARY).plain_secret
    key = key_of(acme.cast.alice)
    for address in [*OF_ORGANIZATION.values(), "/{org}/mcp"]:
        assert http.post(address.format(org="acme"), headers=headers(secret)).status_code == 401
    unknown = http.post("/api/v1/install/redeem", json={"token": "sklp_it_unknown"})
    assert said(http.post("/api/v1/install/redeem", json={"token": key})) == said(unknown)
    assert unknown.status_code == 404


def test_a_hook_of_acme_and_a_hook_of_nothing_do_nothing_for_a_stranger(
    http: httpx2.Client, acme: Acme
) -> None:
    with within(acme.cast.acme):
        runs = SyncRun.objects.for_organization(acme.cast.acme).count()
    for method in METHODS:
        for address in (f"/hooks/{acme.marketplace_id}", f"/hooks/{uuid4()}"):
            answer = http.request(method, address, headers={"X-Hub-Signature-256": "sha256=" + "0" * 64})
            assert answer.status_code in {401, 404, 405}
            assert CANARY not in answer.text
    with within(acme.cast.acme):
        assert SyncRun.objects.for_organization(acme.cast.acme).count() == runs


def test_no_stranger_opens_a_socket(acme: Acme) -> None:
    for address in SOCKETS:
        for key in acme.strangers.values():
            url = settings.SITE_URL.replace("http", "ws") + address.format(org="acme")
            with (
                pytest.raises((InvalidStatus, ConnectionClosed)),
                connect(url, additional_headers=headers(key), proxy=None) as socket,
            ):
                socket.recv(timeout=5)


def test_a_task_with_another_organizations_run_does_nothing(acme: Acme, worker: Worker) -> None:
    """A forged message names a run of Acme's and the organization Globex, or the other way round."""
    with within(acme.cast.acme):
        run = SyncRun.objects.for_organization(acme.cast.acme).latest("id")
        before = (run.state, run.fence, run.attempts)
    sync.run(organization_id=acme.cast.globex.pk, sync_run_id=run.pk, worker=worker)
    sync.run(organization_id=uuid4(), sync_run_id=run.pk, worker=worker)
    with within(acme.cast.acme):
        run.refresh_from_db()
        assert (run.state, run.fence, run.attempts) == before
    with within(acme.cast.globex):
        assert not Marketplace.objects.for_organization(acme.cast.globex).exists()
