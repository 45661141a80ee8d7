"""People, how they are known to those who vouch for them, and their sessions: independent of any organization."""

import hashlib
import uuid
from typing import ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from skillport.principal import called


def _new_handle() -> str:
    return uuid.uuid4().hex


class UserManager(BaseUserManager["User"]):
    """Django's own way to find people; nobody is ever found by an e-mail address."""


class User(AbstractBaseUser):
    """A person. The id is the identity; the e-mail address is for display and invitations and links nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # What a local account signs in with; for everybody else a random text.
    handle = models.CharField(max_length=64, unique=True, default=_new_handle, editable=False)
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)  # may create organizations where not everybody may
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "handle"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return called(self.name, self.email)


class Identity(models.Model):
    """How an OpenID provider knows a person: its issuer and its subject, and nothing else links to anybody."""

    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    user_id: UUID
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    # Entra's object id: the same for every application of a tenant, unlike its subject. For display and audit.
    directory_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


def identity_key(issuer: str, subject: str) -> str:
    """Name an identity in the audit log without saying who it is: 32 hex digits."""
    return hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()[:32]


class Method(models.TextChoices):
    """How a session was signed in, which decides for which organizations it counts."""

    GOOGLE = "google", "Google"
    CONNECTION = "connection", "an organization's own provider"
    LOCAL = "local", "password and second factor"
    DEMO = "demo", "the demo"


class Session(AbstractBaseSession):
    """A browser's session. `session_key` holds the digest of what the cookie holds (`sessions.py`)."""

    session_key = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    user_id: UUID | None
    method = models.CharField(max_length=10, choices=Method.choices, blank=True)
    connection_id = models.UUIDField(null=True)  # the organization's connection that vouched, where one did
    authenticated_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)  # authenticated, or proved again since (step-up)
    last_seen_at = models.DateTimeField(auto_now_add=True)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"session of {self.user_id}"
