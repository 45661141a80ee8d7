"""Write audit events, in the transaction of the action they record: no row, no action."""

from dataclasses import dataclass
from typing import Any

from django.db import models

from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.logs import request_id
from skillport.principal import Actor


@dataclass(frozen=True, slots=True)
class Target:
    """What an event is about, for callers that hold a value and not a row."""

    kind: str
    pk: object
    name: str

    @classmethod
    def of(cls, row: models.Model) -> "Target":
        return cls(row._meta.model_name or "", row.pk, str(row))


def record(action: Action, *, actor: Actor, target: models.Model | Target, **details: Any) -> None:
    """Add one event about `target` inside the running transaction.

    `details` are plain JSON values and never a secret.
    """
    about = target if isinstance(target, Target) else Target.of(target)
    AuditEvent.objects.create(
        organization_id=actor.organization_id,
        action=action,
        actor=actor.actor,
        actor_name=actor.actor_name,
        door=actor.door,
        target=f"{about.kind}:{about.pk}",
        target_name=about.name[:300],
        details=details,
        request_id=request_id.get(),
    )
