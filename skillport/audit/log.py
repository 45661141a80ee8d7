"""Write audit events, in the transaction of the action they record: no row, no action."""

from typing import Any

from django.db import models

from skillport.audit.actions import Action
from skillport.audit.models import AuditEvent
from skillport.logs import request_id
from skillport.principal import Actor


def record(action: Action, *, actor: Actor, target: models.Model, **details: Any) -> None:
    """Add one event about `target` inside the running transaction.

    `details` are plain JSON values and never a secret.
    """
    AuditEvent.objects.create(
        organization_id=actor.organization_id,
        action=action,
        actor=actor.actor,
        actor_name=actor.actor_name,
        door=actor.door,
        target=f"{target._meta.model_name}:{target.pk}",
        target_name=str(target)[:300],
        details=details,
        request_id=request_id.get(),
    )
