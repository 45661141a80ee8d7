"""How git hosts deliver: GitHub's and GitLab's payloads and signatures, made here by themselves and not by our code."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.test import Client

from marketplaces.models import Marketplace, SyncRun, Webhook
from skillport.principal import Principal
from skillport.scoping import within


def github_push(branch: str = "main", default: str = "main", after: str = "f" * 40) -> bytes:
    """Give the body of GitHub's push event, with the fields that its documentation gives."""
    return _json(
        ref=f"refs/heads/{branch}", before="0" * 40, after=after, created=False, deleted=False, forced=False,
        repository={"id": 1, "name": "skills", "full_name": "acme/skills", "private": True, "default_branch": default},
        pusher={"name": "alice", "email": "alice@acme.example"}, commits=[],
    )  # fmt: skip


def gitlab_push(branch: str = "main", default: str = "main") -> bytes:
    """Give the body of GitLab's push event."""
    return _json(
        object_kind="push", event_name="push", ref=f"refs/heads/{branch}", checkout_sha="f" * 40, project_id=15,
        project={"id": 15, "path_with_namespace": "acme/skills", "default_branch": default},
        repository={"name": "skills", "url": "git@gitlab.example:acme/skills.git"}, commits=[], total_commits_count=0,
    )  # fmt: skip


def _json(**payload: Any) -> bytes:
    return json.dumps(payload).encode()


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def by_github(secret: str, body: bytes, event: str = "push", delivery: str = "") -> dict[str, str]:
    """Give the headers with which GitHub delivers."""
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": signature(secret, body),
    }


def by_gitlab(
    secret: str, body: bytes, *, event: str = "Push Hook", delivery: str = "", at: float | None = None
) -> dict[str, str]:
    """Give the headers with which GitLab delivers what it signs with the token `whsec_…`."""
    delivery, stamp = delivery or str(uuid.uuid4()), str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(key, f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-Gitlab-Event": event,
        "Idempotency-Key": delivery,
        "webhook-id": delivery,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }


@dataclass(frozen=True)
class Hook:
    """A bound repository's webhook, and what it led to."""

    owner: Principal
    marketplace_id: UUID

    @property
    def secret(self) -> str:
        return str(self.marketplace.webhook_secret.open())

    @property
    def marketplace(self) -> Marketplace:
        with within(self.owner.organization):
            return Marketplace.objects.for_organization(self.owner.organization).get(pk=self.marketplace_id)

    @property
    def health(self) -> Webhook:
        with within(self.owner.organization):
            own = Webhook.objects.for_organization(self.owner.organization)
            return own.get(marketplace_id=self.marketplace_id)

    def deliver(
        self, body: bytes, headers: Mapping[str, str], content_type: str = "application/json"
    ) -> tuple[int, str]:
        """Deliver, and give the status and what came of it: an outcome, or the code of the refusal."""
        answer = Client().post(
            f"/hooks/{self.marketplace_id}", body, content_type=content_type, headers=dict(headers)
        )
        said: Any = answer.json()
        return answer.status_code, str(said["outcome"] if "outcome" in said else said["error"]["code"])

    def runs(self, state: str) -> list[int]:
        with within(self.owner.organization):
            own = SyncRun.objects.for_organization(self.owner.organization)
            return list(
                own.filter(marketplace_id=self.marketplace_id, state=state).values_list("pk", flat=True)
            )

    @property
    def waiting(self) -> int:
        return len(self.runs("queued"))
