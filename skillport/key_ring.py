"""The key ring: named keys that live outside the database, and what they seal.

AES-256-GCM in two layers: each secret has its own data key, wrapped by the ring's first key. Both layers are bound to
organization, table, row and field (GCM associated data), so a ciphertext that is moved elsewhere does not open.

Layout of a sealed value: version (1 byte) · key id length (1) · key id · nonce (12) · wrapped data key (48) ·
nonce (12) · ciphertext and tag. NIST SP 800-38D: a random 96-bit nonce per encryption.
"""

import base64
import json
import os
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from skillport.errors import SkillportError

NO_ORGANIZATION: Final = UUID(int=0)  # for what belongs to a person
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
        return json.dumps([str(self.organization_id), self.table, self.row_id, self.field]).encode()


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
            if (
                not separator
                or not key_id.isascii()
                or not key_id.isalnum()
                or len(key_id) > 32
                or key_id in keys
            ):
                raise BadKeyRing(
                    f"Key {number} must be <id>:<base64>, with its own id of letters and digits."
                )
            try:
                key = base64.b64decode(encoded, validate=True)
            except ValueError:  # binascii.Error, or characters outside ASCII
                raise BadKeyRing(f"Key {number} is not base64.") from None
            if len(key) != _KEY_BYTES:
                raise BadKeyRing(f"Key {number} must be {_KEY_BYTES} bytes long, it has {len(key)}.")
            keys[key_id] = key
        if not keys:
            raise BadKeyRing("The key ring is empty.")
        return cls(keys)

    def seal(self, plain_secret: str, place: Place) -> bytes:
        """Encrypt `plain_secret` so that it opens at `place` only."""
        bound = place.associated_data()
        data_key, nonce = os.urandom(_KEY_BYTES), os.urandom(_NONCE_BYTES)
        body = nonce + AESGCM(data_key).encrypt(nonce, plain_secret.encode(), bound)
        return self._wrapped(data_key, bound) + body

    def open(self, sealed: bytes, place: Place) -> str:
        """Decrypt what was sealed for `place`. Raises `SecretUnreadable` for everything else."""
        bound = place.associated_data()
        try:
            return self._opened(*self._unwrapped(sealed, bound), bound)
        except (InvalidTag, KeyError, IndexError, ValueError):
            raise SecretUnreadable from None

    def is_newest(self, sealed: bytes) -> bool:
        """Tell whether the ring's first key sealed this."""
        return sealed.startswith(self._head())

    def reseal(self, sealed: bytes, place: Place) -> bytes:
        """Give what was sealed for `place`, now by the ring's first key. Raises `SecretUnreadable`."""
        bound = place.associated_data()
        try:
            data_key, body = self._unwrapped(sealed, bound)
            self._opened(data_key, body, bound)  # what does not open must not look as if it had been rotated
        except (InvalidTag, KeyError, IndexError, ValueError):
            raise SecretUnreadable from None
        return self._wrapped(data_key, bound) + body

    def _head(self) -> bytes:
        key_id = next(iter(self.keys))
        return bytes([_VERSION, len(key_id)]) + key_id.encode()

    def _wrapped(self, data_key: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return self._head() + nonce + AESGCM(next(iter(self.keys.values()))).encrypt(nonce, data_key, bound)

    def _unwrapped(self, sealed: bytes, bound: bytes) -> tuple[bytes, bytes]:
        """Give the data key, and the nonce and ciphertext that it opens."""
        version, id_length = sealed[0], sealed[1]
        key = self.keys[sealed[2 : 2 + id_length].decode()]
        if version != _VERSION:
            raise SecretUnreadable
        rest = sealed[2 + id_length :]
        wrapped, body = rest[: _NONCE_BYTES + _WRAPPED_BYTES], rest[_NONCE_BYTES + _WRAPPED_BYTES :]
        return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound), body

    @staticmethod
    def _opened(data_key: bytes, body: bytes, bound: bytes) -> str:
        return AESGCM(data_key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound).decode()
