"""People, independent of any organization."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models


def _new_handle() -> str:
    return uuid.uuid4().hex


class User(AbstractBaseUser):
    """A person. The id is the identity; the e-mail address is for display and invitations and links nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    handle = models.CharField(max_length=64, unique=True, default=_new_handle, editable=False)
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "handle"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or self.email or self.handle
