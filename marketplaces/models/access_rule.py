"""Who may read what: rules as people edit them, and the subjects that skills are compiled against."""

from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplaces.models.marketplace import Marketplace
from skillport.organizations.models import Group, Membership
from skillport.principal import Principal
from skillport.scoping import OrganizationOwned, ScopedQuerySet
from skillport.walls import SameOrganization


class SubjectKind(models.TextChoices):
    EVERYONE = "everyone", "everyone"
    GROUP = "group", "the members of a group"
    MEMBER = "member", "one member"


class Effect(models.TextChoices):
    """Deny wins over allow; without an allow there is no access."""

    ALLOW = "allow", "may"
    DENY = "deny", "may not"


class Right(models.TextChoices):
    READ = "read", "read and install"


class SubjectQuerySet(ScopedQuerySet["Subject"]):
    def live(self) -> Self:
        """Keep those whose time has come and not passed, by the database's clock."""
        return self.filter(
            Q(starts_at=None) | Q(starts_at__lte=Now()), Q(expires_at=None) | Q(expires_at__gt=Now())
        )

    def covering(self, principal: Principal) -> Self:
        """Keep those that `principal` is one of."""
        return self.filter(
            Q(kind=SubjectKind.EVERYONE)
            | Q(kind=SubjectKind.GROUP, group_id__in=principal.groups)
            | Q(kind=SubjectKind.MEMBER, membership_id=principal.membership_id)
        )


SubjectManager = models.Manager.from_queryset(SubjectQuerySet)


class Subject(OrganizationOwned):
    """Whom a rule speaks of, and from when until when. Skills hold these ids, so they are small integers.

    Equal subjects are one row: a caller's ids are then few, and nothing compiled goes stale as time passes.
    """

    id = models.AutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=SubjectKind.choices)
    membership = models.ForeignKey(
        Membership, models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    membership_id: UUID | None
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+", db_constraint=False)
    group_id: UUID | None
    starts_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects: "ClassVar[SubjectManager[Subject]]" = SubjectManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="subject_key"),
            models.UniqueConstraint(
                fields=["organization", "kind", "membership", "group", "starts_at", "expires_at"],
                name="subject_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind=SubjectKind.EVERYONE, membership=None, group=None)
                | Q(kind=SubjectKind.GROUP, membership=None, group__isnull=False)
                | Q(kind=SubjectKind.MEMBER, membership__isnull=False, group=None),
                name="subject_kind_and_target",
            ),
            SameOrganization(field="membership", name="subject_membership"),
            SameOrganization(field="group", name="subject_group"),
        ]

    def __str__(self) -> str:
        return SubjectKind(self.kind).label


class AccessRule(OrganizationOwned):
    """Lets a subject read something, or forbids it. No plugin or skill: the whole marketplace; no marketplace: all."""

    subject = models.ForeignKey(Subject, models.RESTRICT, related_name="rules", db_constraint=False)
    subject_id: int
    marketplace = models.ForeignKey(
        Marketplace, models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    plugin = models.ForeignKey(
        "marketplaces.Plugin", models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    skill = models.ForeignKey(
        "marketplaces.Skill", models.CASCADE, null=True, related_name="+", db_constraint=False
    )
    right = models.CharField(max_length=5, choices=Right.choices)
    effect = models.CharField(max_length=5, choices=Effect.choices)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            SameOrganization(field="subject", name="access_rule_subject"),
            SameOrganization(field="marketplace", name="access_rule_marketplace"),
            SameOrganization(field="plugin", name="access_rule_plugin"),
            SameOrganization(field="skill", name="access_rule_skill"),
            models.CheckConstraint(
                condition=Q(plugin=None, skill=None)
                | Q(marketplace=None, skill=None)
                | Q(marketplace=None, plugin=None),
                name="access_rule_one_object",
            ),
        ]

    def __str__(self) -> str:
        target = self.skill or self.plugin or self.marketplace or "everything"
        return f"{self.subject} {Effect(self.effect).label} {Right(self.right).label} {target}"
