"""Webhooks: a valid signature queues one sync; everything else does nothing."""

import hashlib
import hmac
import uuid
from collections.abc import Callable

import pytest
from django.test import Client

from marketplaces.models import Marketplace, SyncRun
from marketplaces.services.worker import Worker
from skillport.scoping import within
from tests.cast import Cast
from tests.publishing import publish
from tests.repositories import SMALL, Files, Repository

BODY = b'{"ref":"refs/heads/main"}'


@pytest.fixture
def hooked(
    cast: Cast, new_repository: Callable[[Files], Repository], worker: Worker
) -> tuple[Cast, uuid.UUID, str]:
    marketplace_id = publish(cast.alice, new_repository(SMALL), worker)
    with within(cast.acme):
        secret = Marketplace.objects.for_organization(cast.acme).get(pk=marketplace_id).webhook_secret.open()
    return cast, marketplace_id, secret


def signature(secret: str, body: bytes = BODY) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def deliver(marketplace_id: uuid.UUID, headers: dict[str, str]) -> int:
    return Client().post(f"/hooks/{marketplace_id}", BODY, "application/json", headers=headers).status_code


def waiting(cast: Cast) -> int:
    with within(cast.acme):
        return SyncRun.objects.for_organization(cast.acme).filter(state="queued").count()


def test_a_signed_delivery_queues_a_sync_and_its_repetition_no_other(
    hooked: tuple[Cast, uuid.UUID, str],
) -> None:
    cast, marketplace_id, secret = hooked
    assert deliver(marketplace_id, {"X-Hub-Signature-256": signature(secret)}) == 202
    assert deliver(marketplace_id, {"X-Gitlab-Token": secret}) == 202
    assert waiting(cast) == 1


FORGERIES: dict[str, Callable[[str], dict[str, str]]] = {
    "no signature": lambda secret: {},
    "an empty signature": lambda secret: {"X-Hub-Signature-256": ""},
    "only the scheme": lambda secret: {"X-Hub-Signature-256": "sha256="},
    "an upper-case digest": lambda secret: {"X-Hub-Signature-256": signature(secret).upper()},
    "another secret's": lambda secret: {"X-Hub-Signature-256": signature("another")},
    "the empty secret's": lambda secret: {"X-Hub-Signature-256": signature("")},
    "another body's": lambda secret: {"X-Hub-Signature-256": signature(secret, b"{}")},
    "SHA-1": lambda secret: {
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), BODY, "sha1").hexdigest()
    },
    "half of the secret": lambda secret: {"X-Gitlab-Token": secret[: len(secret) // 2]},
    "an empty token": lambda secret: {"X-Gitlab-Token": ""},
    "not ASCII": lambda secret: {"X-Hub-Signature-256": "sha256=é"},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_delivery_does_nothing(
    hooked: tuple[Cast, uuid.UUID, str], forge: Callable[[str], dict[str, str]]
) -> None:
    cast, marketplace_id, secret = hooked
    assert deliver(marketplace_id, forge(secret)) == 401
    assert waiting(cast) == 0


def test_a_delivery_for_nothing_is_not_found(db: None) -> None:
    assert deliver(uuid.uuid4(), {"X-Hub-Signature-256": signature("x")}) == 404
