"""The audit log: append-only. The application role may add and read rows and nothing else."""

from django.db import models
from django.db.models.functions import Now

from skillport.scoping import OrganizationOwned


class AuditEvent(OrganizationOwned):
    """One thing that happened. Holds copies of names, so that it stays readable when the rows it names are gone."""

    # No constraint: the record of an organization outlives it.
    organization = models.ForeignKey(
        "organizations.Organization", models.DO_NOTHING, related_name="+", db_constraint=False
    )
    happened_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=60)
    actor = models.CharField(max_length=80)  # user:<uuid> or system:<what>
    actor_name = models.CharField(max_length=200)
    door = models.CharField(max_length=20)
    target = models.CharField(max_length=120)
    target_name = models.CharField(max_length=300)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "-id"], name="audit_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}"
