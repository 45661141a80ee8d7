"""Background work. Ids in, never objects; room for arguments that a newer version may send."""

from uuid import UUID

from celery import shared_task

from marketplaces.models import Trigger
from marketplaces.services import queue, sync
from marketplaces.services.worker import this_worker
from skillport.principal import SystemActor


@shared_task
def run_sync(*, organization_id: str, sync_run_id: int, **_: object) -> None:
    sync.run(organization_id=UUID(organization_id), sync_run_id=sync_run_id, worker=this_worker())


@shared_task
def sweep_sync_runs(**_: object) -> None:
    queue.sweep()


@shared_task
def poll_marketplaces(**_: object) -> None:
    for organization_id, marketplace_id in queue.poll_due():
        queue.request_sync(
            organization=organization_id,
            marketplace_id=marketplace_id,
            trigger=Trigger.POLL,
            actor=SystemActor(organization_id=organization_id, what="poll"),
        )
