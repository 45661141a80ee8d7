"""Signing in, with passwords hashed fast and nothing counted from the test before."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def fast_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("MD5", "PBKDF2")
    ]


@pytest.fixture(autouse=True)
def nothing_counted(db: None) -> Iterator[None]:
    """The cache's table is no model's, so no test empties it by itself, nor did whichever ran before."""
    cache.clear()
    yield
    cache.clear()
