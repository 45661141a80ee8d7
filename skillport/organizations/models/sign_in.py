"""How people sign in to an organization: its connections to OpenID providers, and the domains that are its own."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from skillport.encryption import EncryptedText
from skillport.scoping import OrganizationOwned, ScopedQuerySet


class Kind(models.TextChoices):
    GOOGLE = "google", "Google"
    ENTRA = "entra", "Microsoft Entra"
    OIDC = "oidc", "OpenID Connect"


class SignInConnection(OrganizationOwned):
    """One way into one organization. What it asserts counts in this organization only.

    Google is the deployment's own client, so its rows hold no client and no secret: they say that the organization
    accepts Google. The others hold the organization's own client at its own provider.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    name = models.CharField(max_length=100)
    issuer = models.CharField(max_length=300, blank=True)
    client_id = models.CharField(max_length=255, blank=True)
    client_secret = EncryptedText()
    tenant_id = models.UUIDField(null=True)  # Entra: what `tid` must be
    groups_claim = models.CharField(max_length=100, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True)  # when its settings were last tried and found good
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="sign_in_connection_key"),
            models.UniqueConstraint(
                fields=["organization"], condition=Q(kind=Kind.GOOGLE), name="sign_in_connection_one_google"
            ),
            models.UniqueConstraint(
                fields=["organization", "issuer", "client_id"],
                condition=~Q(kind=Kind.GOOGLE),
                name="sign_in_connection_once",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.GOOGLE, issuer="", client_id="", tenant_id=None)
                | (Q(kind=Kind.ENTRA, tenant_id__isnull=False) & ~Q(issuer="") & ~Q(client_id=""))
                | (Q(kind=Kind.OIDC, tenant_id=None) & ~Q(issuer="") & ~Q(client_id="")),
                name="sign_in_connection_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class VerifiedDomainQuerySet(ScopedQuerySet["VerifiedDomain"]):
    def holding(self) -> Self:
        """Keep those that are proved, and whose record was there when it was last looked for."""
        return self.filter(verified_at__isnull=False, lapsed_at=None)


VerifiedDomainManager = models.Manager.from_queryset(VerifiedDomainQuerySet)


class VerifiedDomain(OrganizationOwned):
    """A domain that an organization claims; it counts while a DNS TXT record proves it.

    Of all organizations one at most holds a domain as proved. A domain whose record is gone has `lapsed_at`: it
    admits nobody new until the record is back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    domain = models.CharField(max_length=253)
    challenge = models.CharField(max_length=64)  # public: it stands in the DNS
    created_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    lapsed_at = models.DateTimeField(null=True)

    objects: "ClassVar[VerifiedDomainManager[VerifiedDomain]]" = VerifiedDomainManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "domain"], name="verified_domain_claimed_once"),
            models.UniqueConstraint(
                fields=["domain"],
                condition=Q(verified_at__isnull=False, lapsed_at=None),
                name="verified_domain_held_once",
            ),
            models.CheckConstraint(condition=Q(domain__regex=r"^[a-z0-9.-]+$"), name="verified_domain_form"),
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def holds(self) -> bool:
        return self.verified_at is not None and self.lapsed_at is None
