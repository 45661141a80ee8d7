"""T-OFF-1: somebody is removed, and with the next request everything that was theirs here is refused.

Seen red with: `m.ended_at IS NULL` taken out of either crossing function, the membership not asked for again at
redemption, and the watcher's session not looked up again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from connector.install.install_tokens import issue_install_token
from marketplaces.services.worker import Worker
from skillport.accounts.models import User
from skillport.organizations.models import By
from skillport.organizations.services.members import add_member, remove_member
from skillport.principal import Principal, Role
from tests.cast import Cast, key_of, make_cast, principal
from tests.openid import OpenIDServer, Person
from tests.publishing import publish
from tests.repositories import SMALL, NewRepository
from tests.signing_in import browser_of, cookie_of
from tests.skillport.sign_in.conftest import Browser, admit, own_provider
from tests.sockets import open_socket

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
MCP = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


def socket(slug: str, **headers: str) -> ClientConnection:
    address = settings.SITE_URL.replace("http", "ws") + f"/ws/{slug}/sync"
    return open_socket(address, additional_headers=headers)


@dataclass
class Belongings:
    """All that a person holds in one organization."""

    slug: str
    cookie: str
    key: str
    install_token: str

    def works(self, http: httpx2.Client) -> dict[str, bool]:
        """Try each of them once."""
        session = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"}
        bearer = {"Authorization": f"Bearer {self.key}"}
        tried = {
            "page": http.get(f"/{self.slug}/", headers=session),
            "REST": http.get(f"/{self.slug}/api/v1/skills", headers=bearer),
            "MCP": http.post(f"/{self.slug}/mcp", headers={**bearer, **MCP}, json=CALL),
            "install token": http.post("/api/v1/install/redeem", json={"token": self.install_token}),
        }
        works = {kind: answer.status_code == 200 for kind, answer in tried.items()}
        return {
            **works,
            "socket by session": self._opens(**self.as_browser()),
            "socket by key": self._opens(**bearer),
        }

    def as_browser(self) -> dict[str, str]:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}", "Origin": settings.SITE_URL}

    def _opens(self, **headers: str) -> bool:
        try:
            with socket(self.slug, **headers) as opened:
                opened.recv(timeout=0.2)
        except TimeoutError:
            return True  # open, and nothing to say
        except Exception:  # noqa: BLE001 refused in whatever way
            return False
        return True


def belongings(who: Principal, skill: str) -> Belongings:
    token = issue_install_token(principal=who, name=skill).plain_secret
    return Belongings(who.organization.slug, cookie_of(who.user_id), key_of(who), token)


@dataclass
class Leaving:
    cast: Cast
    bob: Principal
    here: Belongings
    elsewhere: Belongings


@pytest.fixture
def leaving(http: httpx2.Client, new_repository: NewRepository, worker: Worker) -> Leaving:
    """Bob belongs to both organizations and holds everything in each."""
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    publish(cast.charlie, new_repository(SMALL), worker)
    user = User.objects.get(pk=cast.bob.user_id)
    add_member(organization=cast.globex, user=user, role=Role.MEMBER, actor=cast.charlie)
    there = principal(cast.globex, user.pk)
    return Leaving(cast, cast.bob, belongings(cast.bob, "hello"), belongings(there, "hello"))


def by_page(case: Leaving, http: httpx2.Client) -> None:
    answer = browser_of(case.cast.alice).post(f"/acme/settings/members/{case.bob.membership_id}/remove/")
    assert answer.status_code == 302


def by_rest(case: Leaving, http: httpx2.Client) -> None:
    headers = {"Authorization": f"Bearer {key_of(case.cast.alice)}"}
    answer = http.delete(f"/acme/api/v1/members/{case.bob.membership_id}", headers=headers)
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("remove", [by_page, by_rest])
def test_everything_of_a_removed_person_is_refused_at_the_next_request(
    http: httpx2.Client, leaving: Leaving, remove: Callable[[Leaving, httpx2.Client], None]
) -> None:
    by_session, by_key = leaving.here.as_browser(), {"Authorization": f"Bearer {leaving.here.key}"}
    with socket("acme", **by_session) as one, socket("acme", **by_key) as two:
        remove(leaving, http)
        assert not any(leaving.here.works(http).values()), leaving.here.works(http)
        for opened in (one, two):
            with pytest.raises(ConnectionClosed):
                while True:
                    opened.recv(timeout=20)
    assert all(leaving.elsewhere.works(http).values()), "another organization's is untouched"


def test_everything_works_until_then(http: httpx2.Client, leaving: Leaving) -> None:
    assert all(leaving.here.works(http).values()), leaving.here.works(http)


def test_nothing_returns_when_they_are_invited_again(http: httpx2.Client, leaving: Leaving) -> None:
    remove_member(principal=leaving.cast.alice, membership_id=leaving.bob.membership_id, now=timezone.now())
    user = User.objects.get(pk=leaving.bob.user_id)
    add_member(organization=leaving.cast.acme, user=user, role=Role.OWNER, actor=leaving.cast.alice)
    assert not any(leaving.here.works(http).values()), leaving.here.works(http)
    again = belongings(principal(leaving.cast.acme, user.pk), "hello")
    assert all(again.works(http).values()), "what they get anew works"


def test_the_provider_refusing_somebody_ends_all_of_it(
    http: httpx2.Client, openid: OpenIDServer, new_repository: NewRepository, worker: Worker, live: Any
) -> None:
    cast = make_cast()
    publish(cast.alice, new_repository(SMALL), worker)
    provider = own_provider(cast.alice, openid.issuer("leaving"), groups_claim="groups")
    admit(cast.alice, provider.connection_id, by=By.GROUP, value="staff")
    provider.issuer.person = Person("ana", {"groups": ["staff"]})
    ana = Browser(browser_of(cast.alice))
    ana.client.cookies.clear()
    ana.sign_in(provider.way)
    member = ana.principal("acme")
    assert member is not None
    held = Belongings(
        "acme",
        ana.client.cookies[settings.SESSION_COOKIE_NAME].value,
        key_of(member),
        issue_install_token(principal=member, name="hello").plain_secret,
    )
    assert all(held.works(http).values()), held.works(http)
    held.install_token = issue_install_token(principal=member, name="hello").plain_secret
    provider.issuer.person = Person("ana", {"groups": []})
    ana.sign_in(provider.way)
    assert not any(held.works(http).values()), held.works(http)
