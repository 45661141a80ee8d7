"""Background work. Ids in, never objects; room for arguments that a newer version may send."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from marketplaces.models import Trigger
from marketplaces.services import changing, credential_expiry, queue, sync
from marketplaces.services.external import mirroring
from marketplaces.services.external.queue import sweep_mirrors
from marketplaces.services.gone_copies import forget_gone_copies, forget_left_mirrors
from marketplaces.services.queue import SyncsStopped
from marketplaces.services.worker import this_worker
from skillport.errors import NotFound
from skillport.principal import SystemActor

logger = logging.getLogger(__name__)


@shared_task
def run_sync(*, organization_id: str, sync_run_id: int, **_: object) -> None:
    sync.run(organization_id=UUID(organization_id), sync_run_id=sync_run_id, worker=this_worker())


@shared_task
def sweep_sync_runs(**_: object) -> None:
    queue.sweep()
    forget_gone_copies(this_worker())


@shared_task
def look_after_credentials(**_: object) -> None:
    credential_expiry.look_after_credentials(now=timezone.now())


@shared_task
def mirror_source(*, organization_id: str, **_: object) -> None:
    mirroring.run_next(organization_id=UUID(organization_id), worker=this_worker())


@shared_task
def sweep_external_sources(**_: object) -> None:
    sweep_mirrors()
    forget_left_mirrors(this_worker())


@shared_task
def poll_marketplaces(**_: object) -> None:
    for organization_id, marketplace_id in queue.poll_due():
        try:
            queue.request_sync(
                organization=organization_id,
                marketplace_id=marketplace_id,
                trigger=Trigger.POLL,
                actor=SystemActor(organization_id=organization_id, what="poll"),
            )
        except (NotFound, SyncsStopped):
            logger.info(
                "A marketplace was stopped before its poll", extra={"marketplace": str(marketplace_id)}
            )


@shared_task
def delete_closed_marketplaces(**_: object) -> None:
    changing.delete_closed_marketplaces(now=timezone.now())
