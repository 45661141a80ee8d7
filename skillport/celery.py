"""The task queue. Rows in Postgres are the queue; a task is only the hint that one is waiting."""

from celery import Celery

app = Celery("skillport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
