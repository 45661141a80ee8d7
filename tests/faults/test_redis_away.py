"""Redis dies or freezes: whoever asks the web process waits no longer for it, and nothing that was asked for is lost."""

import hashlib
import hmac
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from marketplaces.models import Marketplace, SyncRun
from marketplaces.services import queue
from skillport.scoping import within
from tests.cast import Cast, make_cast
from tests.deploy.production import HOST, web
from tests.ports import claim_ports
from tests.publishing import bind
from tests.repositories import NewRepository
from tests.waiting import until

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


@dataclass
class OwnRedis:
    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        try:
            return bool(Redis.from_url(self.url).ping())
        except RedisError:
            return False


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    port = claim_ports()
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    own = OwnRedis(process, port)
    try:
        until(own.answers)
        yield own
    finally:
        process.kill()
        process.wait()


@dataclass
class Hook:
    """A marketplace's webhook, at the web process on `port`."""

    cast: Cast
    marketplace_id: UUID
    port: int

    def deliver(self, seconds: float) -> int:
        """Let the git host deliver, which waits so long for an answer."""
        with within(self.cast.acme):
            own = Marketplace.objects.for_organization(self.cast.acme).get(pk=self.marketplace_id)
        signed = hmac.new(own.webhook_secret.open().encode(), b"{}", hashlib.sha256).hexdigest()
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Hub-Signature-256": f"sha256={signed}"}
        address = f"http://127.0.0.1:{self.port}/hooks/{self.marketplace_id}"
        with httpx2.Client(trust_env=False, timeout=seconds) as git_host:
            return git_host.post(address, content=b"{}", headers=headers).status_code

    def waiting(self) -> list[str]:
        with within(self.cast.acme):
            return list(SyncRun.objects.for_organization(self.cast.acme).values_list("state", flat=True))


@pytest.fixture
def hook(
    transactional_db: None, redis: OwnRedis, new_repository: NewRepository, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hook]:
    monkeypatch.setattr(
        queue, "_hint", lambda *_: None
    )  # to this process's own worker, if other tests have left one
    cast = make_cast()
    marketplace_id = bind(cast.alice, new_repository({}))
    with web(REDIS_URL=redis.url) as port:
        yield Hook(cast, marketplace_id, port)


@pytest.mark.parametrize("fate", [signal.SIGSTOP, signal.SIGKILL], ids=["frozen", "dead"])
def test_a_webhook_waits_for_no_redis(hook: Hook, redis: OwnRedis, fate: signal.Signals) -> None:
    assert hook.deliver(20) == 202
    until(lambda: Redis.from_url(redis.url).llen("celery"))
    redis.process.send_signal(fate)
    for _ in range(4):
        assert hook.deliver(10) == 202
    assert hook.waiting() == ["queued"], "the row is the queue, and the sweeper finds it"


def test_a_redis_that_forgets_everything_loses_no_sync(hook: Hook, redis: OwnRedis) -> None:
    there = Redis.from_url(redis.url)
    assert hook.deliver(20) == 202
    until(lambda: there.llen("celery"))
    there.flushall()
    assert hook.waiting() == ["queued"]
    assert hook.deliver(20) == 202
    until(lambda: there.llen("celery"))
    assert hook.waiting() == ["queued"], "the run that waits is hinted at again"


def test_a_hint_that_nobody_takes_up_expires(hook: Hook, redis: OwnRedis) -> None:
    assert hook.deliver(20) == 202
    until(lambda: Redis.from_url(redis.url).llen("celery"))
    (message,) = Redis.from_url(redis.url).lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["expires"]


def test_what_the_clock_asks_for_expires_too() -> None:
    assert all(entry["options"]["expires"] for entry in settings.CELERY_BEAT_SCHEDULE.values())
