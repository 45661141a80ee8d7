"""Background work that needs to know what members still download. Ids in, never objects."""

from uuid import UUID

from celery import shared_task

from connector.install import collecting, install_tokens
from marketplaces.services import old_runs
from skillport.organizations.models import Organization

COLLECT_SECONDS = 3600


@shared_task
def collect_organizations(**_: object) -> None:
    """Ask for a collection in every organization, each a task of its own: a large one holds nobody up."""
    for organization_id in Organization.objects.filter(closed_at=None).values_list("pk", flat=True):
        collect_organization.apply_async(
            kwargs={"organization_id": str(organization_id)}, expires=COLLECT_SECONDS, retry=False
        )


@shared_task
def collect_organization(*, organization_id: str, **_: object) -> None:
    if Organization.objects.filter(pk=UUID(organization_id), closed_at=None).exists():
        collecting.collect(UUID(organization_id))
        old_runs.forget_old_runs(UUID(organization_id))
        install_tokens.forget_old_tokens(UUID(organization_id))
