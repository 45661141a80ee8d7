"""What a git host reports: a push to the branch that is followed queues a sync, everything else is only noted.

What it says is a hint. The worker asks the host for the newest commit itself, so lost, repeated and reordered
deliveries do no harm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from marketplaces.models import Marketplace, Trigger, Webhook
from marketplaces.services import signatures
from marketplaces.services.queue import SyncsStopped, request_sync
from skillport.errors import SkillportError
from skillport.principal import Door, SystemActor
from skillport.scoping import across_organizations, within

# Anybody may send us refusals, so few of them are written down.
REFUSALS_NOTED_EVERY: Final = timedelta(minutes=1)


class SignatureInvalid(SkillportError):
    code = "signature_invalid"
    status = 401
    message = (
        "The signature of this delivery is missing or wrong, or there is no such webhook. Enter its address and secret "
        "again at the git host."
    )


class Outcome(StrEnum):
    """What came of a delivery that is genuine."""

    QUEUED = "queued"
    PING = "ping"
    OTHER_EVENT = "other-event"
    OTHER_BRANCH = "other-branch"
    STOPPED = "stopped"  # syncs are paused, or need a person: the delivery was right all the same


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a genuine delivery says; '' for what it does not. `ref` is as in `refs/heads/main`."""

    event: str
    id: str
    ref: str = ""
    default_branch: str = ""

    def outcome(self, followed: str) -> Outcome:
        """Tell what it asks for; `followed` is the branch, '' for the default branch. In doubt, for a sync."""
        event = self.event.lower()
        if event == "ping":
            return Outcome.PING
        if event not in {"", "push", "push hook", "repo:push"}:
            return Outcome.OTHER_EVENT
        branch = followed or self.default_branch
        if self.ref and branch and self.ref != f"refs/heads/{branch}":
            return Outcome.OTHER_BRANCH
        return Outcome.QUEUED


def receive(*, marketplace_id: UUID, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
    """Take what was delivered to a marketplace's webhook, and note that it came.

    Raises `SignatureInvalid`, in the same words whether there is such a marketplace or not.
    """
    marketplace = _find(marketplace_id)
    if marketplace is None:
        raise SignatureInvalid
    try:
        signatures.check(
            headers=headers, body=body, secrets_valid=_secrets(marketplace, now), now=now.timestamp()
        )
    except signatures.Forged as forged:
        _note_refusal(marketplace, str(forged), now)
        raise SignatureInvalid from None
    delivery = read(headers, body)
    outcome = delivery.outcome(marketplace.branch)
    organization_id = marketplace.organization_id
    with within(organization_id):
        if outcome is Outcome.QUEUED:
            outcome = _queue(marketplace)
        note(
            marketplace,
            last_delivery_at=now,
            last_delivery_event=delivery.event or "push",
            last_delivery_id=delivery.id,
        )
    return outcome


def _queue(marketplace: Marketplace) -> Outcome:
    organization_id = marketplace.organization_id
    try:
        request_sync(
            organization=organization_id,
            marketplace_id=marketplace.pk,
            trigger=Trigger.WEBHOOK,
            actor=SystemActor(organization_id=organization_id, what="webhook", door=Door.WEBHOOK),
        )
    except SyncsStopped:
        return Outcome.STOPPED
    return Outcome.QUEUED


def read(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Read a delivery whose signature is right. What is no JSON, or other JSON, says nothing of branches."""
    event = _first(headers, "X-GitHub-Event", "X-Gitlab-Event", "X-Event-Key")
    delivery_id = _first(headers, "X-GitHub-Delivery", "webhook-id", "X-Gitlab-Event-UUID", "X-Request-UUID")
    payload = _payload(headers, body)
    ref, default = payload.get("ref"), ""
    for where in ("repository", "project"):  # GitHub's, GitLab's
        told = payload.get(where)
        if isinstance(told, dict) and isinstance(told.get("default_branch"), str):
            default = told["default_branch"]
    return Delivery(_plain(event, 60), _plain(delivery_id, 100), ref if isinstance(ref, str) else "", default)


def note(marketplace: Marketplace, **what: Any) -> None:
    """Write down how the marketplace's webhook fares. Call it inside its organization."""
    own = Webhook.objects.for_organization(marketplace.organization_id)
    if own.filter(marketplace_id=marketplace.pk).update(**what):
        return
    own.update_or_create(  # bound before webhooks had rows
        marketplace_id=marketplace.pk, organization_id=marketplace.organization_id, defaults=what
    )


def _note_refusal(marketplace: Marketplace, reason: str, now: datetime) -> None:
    """Note that a delivery was refused, at most once a minute."""
    with within(marketplace.organization_id):
        known = (
            Webhook.objects.for_organization(marketplace.organization_id)
            .filter(marketplace_id=marketplace.pk)
            .values_list("last_refusal_at", flat=True)
            .first()
        )
        if known is None or known <= now - REFUSALS_NOTED_EVERY:
            note(marketplace, last_refusal_at=now, last_refusal_reason=reason)


def _find(marketplace_id: UUID) -> Marketplace | None:
    with across_organizations(reason="a webhook's address names only the marketplace"):
        return Marketplace.objects.all_organizations().filter(pk=marketplace_id).first()


def _secrets(marketplace: Marketplace, now: datetime) -> list[str]:
    until = marketplace.former_webhook_secret_until
    former = [marketplace.former_webhook_secret.open()] if until is not None and now < until else []
    return [marketplace.webhook_secret.open(), *former]


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        if content_type == "application/x-www-form-urlencoded":  # GitHub's other way to send the same
            body = parse_qs(body.decode(), max_num_fields=10).get("payload", [""])[0].encode()
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _first(headers: Mapping[str, str], *names: str) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")


def _plain(text: str, longest: int) -> str:
    return "".join(character for character in text if character.isprintable())[:longest]
