"""The task queue. Rows in Postgres are the queue; a task is only the hint that one is waiting.

A worker: `celery -A skillport worker --pool threads`. The clock: `celery -A skillport beat`.
"""

import os

from celery import Celery
from celery.signals import task_postrun, worker_init, worker_shutting_down
from django.db import close_old_connections

from skillport.errors import SkillportError
from skillport.garbage import leave_startup_alone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skillport.settings")

app = Celery("skillport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()  # in every thread: what Celery calls current is current in one thread only


@worker_init.connect
def _begin(**_: object) -> None:
    """Refuse to work as a role that the walls would not hold; take up what this worker left when it was killed."""
    # Models can be imported only once Celery has set Django up.
    from marketplaces.services import leases
    from marketplaces.services.external.leases import release_mirrors_of
    from marketplaces.services.worker import this_worker
    from skillport.roles import verify_application_role

    try:
        verify_application_role()
    except SkillportError as error:
        raise SystemExit(error.message) from None
    this_worker().git.processes.end_leftovers()
    leases.release_those_of(this_worker().name)
    release_mirrors_of(this_worker().name)
    leave_startup_alone()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    """End running syncs; their runs go back into the queue."""
    # Models can be imported only once Celery has set Django up.
    from marketplaces.services.worker import this_worker

    this_worker().git.processes.stop()


@task_postrun.connect
def _give_connections_back(**_: object) -> None:
    close_old_connections()
