"""What happens to organizations and people by the clock."""

from celery import shared_task
from django.utils import timezone

from skillport.accounts.models import Session
from skillport.organizations.services import domain_checks, forgetting


@shared_task
def forget_sessions(**_: object) -> None:
    """Delete the rows of sessions that have expired."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


@shared_task
def check_domains(**_: object) -> None:
    domain_checks.check_due_domains(now=timezone.now())


@shared_task
def delete_closed_organizations(**_: object) -> None:
    forgetting.delete_closed_organizations(now=timezone.now())
