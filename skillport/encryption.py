"""Secrets on rows: a column that holds what the key ring sealed, and never shows it.

Keys come from the environment or a file, never from SECRET_KEY. Import this only where secrets are stored (a
contract checks it).
"""

from typing import Any

from django.conf import settings
from django.db import models

from skillport.key_ring import KeyRing, Place


def key_ring() -> KeyRing:
    """Give the deployment's key ring (`SKILLPORT_ENCRYPTION_KEYS`)."""
    ring: KeyRing = settings.KEY_RING
    return ring


class SealedText:
    """A secret on a row: it can be replaced and opened, and never shows itself."""

    def __init__(self, row: Any, field: "EncryptedText") -> None:
        self._row = row
        self._field = field

    def __bool__(self) -> bool:
        return bool(self.sealed)

    def __repr__(self) -> str:
        return "SealedText(set)" if self else "SealedText(empty)"

    @property
    def sealed(self) -> bytes:
        """Give what is stored."""
        return bytes(self._row.__dict__.get(self._field.attname) or b"")

    def put(self, plain_secret: str) -> None:
        """Seal `plain_secret` into the row, which needs its primary key and organization. Saving is up to the caller."""
        self._row.__dict__[self._field.attname] = (
            key_ring().seal(plain_secret, self._place()) if plain_secret else b""
        )

    def open(self) -> str:
        """Give the plaintext; '' when none was stored. Raises `SecretUnreadable`."""
        return key_ring().open(self.sealed, self._place()) if self else ""

    def _place(self) -> Place:
        table = self._row._meta.db_table
        return Place(self._row.organization_id, table, str(self._row.pk), self._field.attname)


class _SealedAttribute:
    """What `row.field` gives: a `SealedText`; what Django assigns when it loads a row: the sealed bytes."""

    def __init__(self, field: "EncryptedText") -> None:
        self._field = field

    def __get__(self, row: models.Model | None, _owner: type[models.Model]) -> Any:
        if row is None:
            return self
        if self._field.attname not in row.__dict__:  # the query left the column out
            row.refresh_from_db(fields=[self._field.attname])
        return SealedText(row, self._field)

    def __set__(self, row: models.Model, value: "SealedText | bytes | None") -> None:
        # refresh_from_db() assigns what the other instance's attribute gives.
        row.__dict__[self._field.attname] = value.sealed if isinstance(value, SealedText) else value


class EncryptedText(models.BinaryField):  # type: ignore[type-arg]
    """A column that holds a sealed secret. Reads give a `SealedText`; use `.put()` and `.open()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        kwargs.setdefault("default", b"")
        super().__init__(*args, **kwargs)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:  # noqa: FBT001, FBT002 Django's signature
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _SealedAttribute(self))

    def deconstruct(self) -> Any:
        """Tell migrations the column only: they need no key, and this module is not theirs to import."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 Django's signature
        sealed = value.sealed if isinstance(value, SealedText) else value
        return super().get_db_prep_value(sealed, connection, prepared)

    def value_from_object(self, obj: models.Model) -> Any:  # noqa: ARG002 Django's signature
        raise TypeError("A sealed secret cannot be shown in a form or serialized.")
