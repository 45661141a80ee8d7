"""Install tokens: the right to fetch one skill release, once, within five minutes."""

from datetime import timedelta
from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from marketplaces.models import Release, Skill
from skillport.organizations.models import Membership
from skillport.scoping import OrganizationOwned, ScopedQuerySet
from skillport.walls import SameOrganization

# A retry by the same client (same redemption key) gets the same bytes, this often and this long after the first.
RETRY_SECONDS = 120
RETRIES = 3


class InstallTokenQuerySet(ScopedQuerySet["InstallToken"]):
    def claim(self, *, digest: bytes, redemption_key_digest: bytes) -> Self:
        """Spend the token, or repeat a redemption that its own client could not finish.

        The conditional UPDATE is the lock: of many simultaneous redemptions exactly one sees a row change. Times
        are the database's. Gives the queryset of the claimed row, empty when nothing was claimed.
        """
        fresh = Q(redeemed_at=None, expires_at__gt=Now())
        retry = Q(
            redemption_key_digest=redemption_key_digest,
            redeemed_at__gt=Now() - timedelta(seconds=RETRY_SECONDS),
            redemptions__lte=RETRIES,
        )
        row = self.filter(digest=digest)
        claimed = row.filter(fresh | retry).update(
            redeemed_at=Coalesce("redeemed_at", Now()),
            redemption_key_digest=redemption_key_digest,
            redemptions=F("redemptions") + 1,
        )
        return row if claimed else row.none()

    def redeemable(self) -> Self:
        """Keep the tokens that somebody may still redeem, or redeem again after a broken download."""
        fresh = Q(redeemed_at=None, expires_at__gt=Now())
        return self.filter(fresh | Q(redeemed_at__gt=Now() - timedelta(seconds=RETRY_SECONDS)))


InstallTokenManager = models.Manager.from_queryset(InstallTokenQuerySet)


class InstallToken(OrganizationOwned):
    """Bound to organization, member, skill and release; the member's right is checked again when it is redeemed."""

    digest = models.BinaryField(max_length=32, unique=True)
    membership = models.ForeignKey(Membership, models.CASCADE, related_name="+", db_constraint=False)
    membership_id: UUID
    skill = models.ForeignKey(Skill, models.CASCADE, related_name="+", db_constraint=False)
    skill_id: int
    release = models.ForeignKey(Release, models.RESTRICT, related_name="+", db_constraint=False)
    release_id: int
    version = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True)
    redemption_key_digest = models.BinaryField(max_length=32, default=b"")
    redemptions = models.PositiveSmallIntegerField(default=0)

    objects: "ClassVar[InstallTokenManager[InstallToken]]" = InstallTokenManager()

    class Meta:
        constraints = [
            SameOrganization(field="membership", name="install_token_membership"),
            SameOrganization(field="skill", name="install_token_skill"),
            SameOrganization(field="release", name="install_token_release"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="install_token_expiry"),
            models.Index(fields=["release"], name="install_token_by_release"),
        ]

    def __str__(self) -> str:
        return f"install token {self.pk}"
