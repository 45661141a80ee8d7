"""Secrets at rest: an AES-256-GCM envelope under a key ring that lives outside the database.

Each secret has its own data key, wrapped by the ring's first key. Both layers are bound to organization, table, row
and field (GCM associated data), so a ciphertext that is moved elsewhere does not open. Keys come from the
environment or a file, never from SECRET_KEY. Import this only where secrets are stored (a contract checks it).

Layout of a sealed value: version (1 byte) · key id length (1) · key id · nonce (12) · wrapped data key (48) ·
nonce (12) · ciphertext and tag. NIST SP 800-38D: a random 96-bit nonce per encryption.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

from skillport.errors import SkillportError

_VERSION: Final = 1
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_WRAPPED_BYTES: Final = _KEY_BYTES + 16


class SecretUnreadable(SkillportError):
    """The stored secret does not open here: moved, damaged, or its key is no longer on the ring."""

    code = "secret_unreadable"
    status = 500
    message = (
        "A stored secret cannot be read. Enter it again, or put its encryption key back on the key ring."
    )


class BadKeyRing(ValueError):
    """The configured key ring cannot be used. The message never holds key material."""


class Place(NamedTuple):
    """Where a secret belongs. It opens nowhere else."""

    organization_id: UUID
    table: str
    row_id: str
    field: str

    def associated_data(self) -> bytes:
        return "|".join([str(self.organization_id), self.table, self.row_id, self.field]).encode()


@dataclass(frozen=True)
class KeyRing:
    """Named 256-bit keys. The first one seals; every one opens."""

    keys: dict[str, bytes]

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.keys)})"

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `id:base64,id:base64,…`, newest first. Raises `BadKeyRing` without repeating the text."""
        keys: dict[str, bytes] = {}
        for number, part in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            key_id, separator, encoded = part.partition(":")
            if not separator or not key_id.isascii() or not key_id.isalnum() or key_id in keys:
                raise BadKeyRing(
                    f"Key {number} must be <id>:<base64>, with its own id of letters and digits."
                )
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise BadKeyRing(f"Key {number} is not base64.") from None
            if len(key) != _KEY_BYTES:
                raise BadKeyRing(f"Key {number} must be {_KEY_BYTES} bytes long, it has {len(key)}.")
            keys[key_id] = key
        if not keys:
            raise BadKeyRing("The key ring is empty.")
        return cls(keys)

    def seal(self, plain_secret: str, place: Place) -> bytes:
        """Encrypt `plain_secret` so that it opens at `place` only."""
        key_id, key = next(iter(self.keys.items()))
        bound = place.associated_data()
        data_key, wrap_nonce, nonce = (
            os.urandom(_KEY_BYTES),
            os.urandom(_NONCE_BYTES),
            os.urandom(_NONCE_BYTES),
        )
        head = bytes([_VERSION, len(key_id)]) + key_id.encode()
        wrapped = AESGCM(key).encrypt(wrap_nonce, data_key, bound)
        return (
            head
            + wrap_nonce
            + wrapped
            + nonce
            + AESGCM(data_key).encrypt(nonce, plain_secret.encode(), bound)
        )

    def open(self, sealed: bytes, place: Place) -> str:
        """Decrypt what was sealed for `place`. Raises `SecretUnreadable` for everything else."""
        bound = place.associated_data()
        try:
            version, id_length = sealed[0], sealed[1]
            key = self.keys[sealed[2 : 2 + id_length].decode()]
            if version != _VERSION:
                raise SecretUnreadable
            rest = sealed[2 + id_length :]
            wrapped, body = rest[: _NONCE_BYTES + _WRAPPED_BYTES], rest[_NONCE_BYTES + _WRAPPED_BYTES :]
            data_key = AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound)
            return AESGCM(data_key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound).decode()
        except (InvalidTag, KeyError, IndexError, ValueError):
            raise SecretUnreadable from None


@lru_cache(maxsize=1)
def key_ring() -> KeyRing:
    """Give the deployment's key ring (`SKILLPORT_ENCRYPTION_KEYS`)."""
    return KeyRing.parse(settings.ENCRYPTION_KEYS.get_secret_value())


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
        return self if row is None else SealedText(row, self._field)

    def __set__(self, row: models.Model, sealed: bytes | None) -> None:
        row.__dict__[self._field.attname] = sealed


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
