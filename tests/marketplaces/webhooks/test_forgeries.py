"""T-WH-1: what is not made with the webhook's secret does nothing, and learns nothing."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from django.test import Client

from marketplaces.services.binding import bind_marketplace
from skillport import bodies
from tests.cast import Cast, make_cast
from tests.half_open import client
from tests.marketplaces.webhooks.sending import Hook, by_github, by_gitlab, github_push, signature
from tests.publishing import bind
from tests.repositories import Files, Repository

BODY = github_push()
Headers = dict[str, str]


def tampered(headers: Headers, **changed: str) -> Headers:
    return {**headers, **{name.replace("_", "-"): value for name, value in changed.items()}}


def signed_over(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
FORGERIES: dict[str, Callable[[str], Headers]] = {
    "no signature": lambda secret: {},
    "an empty signature": lambda secret: {"X-Hub-Signature-256": ""},
    "only the scheme": lambda secret: {"X-Hub-Signature-256": "sha256="},
    "an upper-case digest": lambda secret: {
        "X-Hub-Signature-256": "sha256=" + signature(secret, BODY)[7:].upper()
    },
    "no scheme": lambda secret: {"X-Hub-Signature-256": signature(secret, BODY)[7:]},
    "another secret's": lambda secret: {"X-Hub-Signature-256": signature(OTHER, BODY)},
    "the empty secret's": lambda secret: {"X-Hub-Signature-256": signature("", BODY)},
    "another body's": lambda secret: {"X-Hub-Signature-256": signature(secret, b"{}")},
    "the same JSON, written anew": lambda secret: {
        "X-Hub-Signature-256": signature(secret, json.dumps(json.loads(BODY), indent=1).encode())
    },
    "SHA-1": lambda secret: {
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), BODY, "sha1").hexdigest()
    },
    "SHA-1 under the other's name": lambda secret: {
        "X-Hub-Signature-256": "sha1=" + hmac.new(secret.encode(), BODY, "sha1").hexdigest()
    },
    "a digest without a key": lambda secret: {
        "X-Hub-Signature-256": "sha256=" + hashlib.sha256(BODY).hexdigest()
    },
    "not ASCII": lambda secret: {"X-Hub-Signature-256": "sha256=é"},
    "half of the secret as a token": lambda secret: {"X-Gitlab-Token": secret[: len(secret) // 2]},
    "an empty token": lambda secret: {"X-Gitlab-Token": ""},
    "the secret's key as a token": lambda secret: {"X-Gitlab-Token": secret.removeprefix("whsec_")},
    "a wrong signature beside the right token": lambda secret: {
        "X-Gitlab-Token": secret,
        "X-Hub-Signature-256": signature(OTHER, BODY),
    },
    "GitLab's, by another key": lambda secret: by_gitlab(OTHER, BODY),
    "GitLab's, of another body": lambda secret: by_gitlab(secret, b"{}"),
    "GitLab's, six minutes old": lambda secret: by_gitlab(secret, BODY, at=time.time() - 360),
    "GitLab's, six minutes ahead": lambda secret: by_gitlab(secret, BODY, at=time.time() + 360),
    "GitLab's, with a younger time": lambda secret: tampered(
        by_gitlab(secret, BODY, at=time.time() - 360), webhook_timestamp=str(int(time.time()))
    ),
    "GitLab's, with another id": lambda secret: tampered(by_gitlab(secret, BODY), webhook_id="other"),
    "GitLab's, without an id": lambda secret: tampered(by_gitlab(secret, BODY), webhook_id=""),
    "GitLab's, without a time": lambda secret: tampered(by_gitlab(secret, BODY), webhook_timestamp=""),
    "GitLab's, with a time that is no number": lambda secret: tampered(
        by_gitlab(secret, BODY), webhook_timestamp="1e9"
    ),
    "GitLab's, in another version": lambda secret: tampered(
        by_gitlab(secret, BODY),
        webhook_signature=by_gitlab(secret, BODY)["webhook-signature"].replace("v1,", "v2,"),
    ),
    "GitLab's, over the body alone": lambda secret: tampered(
        by_gitlab(secret, BODY), webhook_signature=signed_over(key_of(secret), BODY)
    ),
    "GitLab's, keyed with the token's text": lambda secret: tampered(
        by_gitlab(secret, BODY, delivery="x"),
        webhook_signature=signed_over(secret.encode(), f"x.{int(time.time())}.".encode() + BODY),
    ),
    "GitLab's wrong signature beside the right token": lambda secret: {
        **by_gitlab(OTHER, BODY),
        "X-Gitlab-Token": secret,
    },
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_delivery_does_nothing(hook: Hook, forge: Callable[[str], Headers]) -> None:
    assert hook.deliver(BODY, forge(hook.secret)) == (401, "signature_invalid")
    assert hook.waiting == 0
    assert hook.health.last_delivery_at is None


def test_the_same_deliveries_unforged_are_taken(hook: Hook) -> None:
    for headers in (
        by_github(hook.secret, BODY),
        by_gitlab(hook.secret, BODY),
        {"X-Gitlab-Token": hook.secret},
    ):
        assert hook.deliver(BODY, headers) == (202, "queued")


def test_another_bindings_secret_opens_nothing(
    cast: Cast, hook: Hook, new_repository: Callable[[Files], Repository]
) -> None:
    beside = Hook(cast.alice, bind(cast.alice, new_repository({}), slug="beside"))
    elsewhere = Hook(cast.charlie, bind(cast.charlie, new_repository({})))
    for other in (beside, elsewhere):
        assert hook.deliver(BODY, by_github(other.secret, BODY))[0] == 401
        assert hook.deliver(BODY, by_gitlab(other.secret, BODY))[0] == 401
        assert hook.deliver(BODY, {"X-Gitlab-Token": other.secret})[0] == 401
    assert hook.waiting == 0


def test_a_marketplace_that_is_not_there_answers_as_one_that_refuses(hook: Hook) -> None:
    def answer(marketplace_id: uuid.UUID) -> tuple[int, bytes, dict[str, str]]:
        got: Any = Client().post(
            f"/hooks/{marketplace_id}", BODY, "application/json", headers=by_github("x", BODY)
        )
        return got.status_code, got.content, dict(got.headers)

    assert answer(hook.marketplace_id) == answer(uuid.uuid4())


class TestOnTheRealServer:
    @pytest.fixture
    def live_hook(self, http: httpx2.Client) -> Hook:  # noqa: ARG002 the server, and tables to write to
        cast = make_cast()
        made = bind_marketplace(principal=cast.alice, slug="skills", url="https://127.0.0.1/acme/skills.git")
        return Hook(cast.alice, made.marketplace_id)

    def test_26_megabytes_are_refused_whatever_signs_them(self, http: httpx2.Client, live_hook: Hook) -> None:
        body = b" " * (26 * 2**20)
        with client(httpx2.URL(str(http.base_url)).port or 80) as host:
            signed = by_github(live_hook.secret, body)
            lines = [f"{name}: {value}" for name, value in signed.items()]
            host.begin(f"POST /hooks/{live_hook.marketplace_id}", *lines, f"Content-Length: {len(body)}")
            assert host.head()[0] == 413
        assert live_hook.health.last_delivery_at is None

    def test_a_body_that_does_not_come_is_not_waited_for(
        self, http: httpx2.Client, live_hook: Hook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "DEADLINE_SECONDS", 0.2)
        with client(httpx2.URL(str(http.base_url)).port or 80) as host:
            host.begin(f"POST /hooks/{live_hook.marketplace_id}", "Content-Length: 20")
            assert host.head()[0] == 408
        assert live_hook.health.last_delivery_at is None
