"""Bearer strings: minted once, shown once, kept only as a digest.

Form: `<prefix>_` + 43 base62 characters (256 bits) + 6 base62 characters of CRC-32, as in GitHub's token format, so
that a secret scanner can tell a real token from a look-alike without asking us.
"""

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS = 43  # 62**43 > 2**256
_LONG_ENOUGH = 16
_CHECKSUM_CHARACTERS = 6


class Prefix(StrEnum):
    """The visible beginning of each kind of bearer string."""

    API_KEY = "sklp_ak"
    INSTALL_TOKEN = "sklp_it"
    INVITATION = "sklp_iv"


@dataclass(frozen=True, slots=True)
class Minted:
    """A new bearer string. `plain_secret` is shown to its owner once; the other two are what is stored."""

    plain_secret: str
    digest: bytes
    last_four: str

    def __repr__(self) -> str:
        return f"Minted(…{self.last_four})"


def mint(prefix: Prefix) -> Minted:
    """Make a new bearer string from the operating system's random source."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    secret = f"{prefix}_{body}{_checksum(prefix, body)}"
    return Minted(plain_secret=secret, digest=digest(secret), last_four=secret[-4:])


def random_secret() -> str:
    """Give 256 random bits as text, for a secret that both sides store (a webhook's)."""
    return secrets.token_urlsafe(32)


def last_four(secret: str) -> str:
    """Give what may be shown of somebody else's secret: nothing where it would be a large part of it."""
    return secret[-4:] if len(secret) >= _LONG_ENOUGH else ""


def digest(secret: str) -> bytes:
    """Give the 32 bytes under which a bearer string is stored and looked up.

    Plain SHA-256: the input has 256 random bits, so a slow hash would protect nothing and cost every request.
    """
    return hashlib.sha256(secret.encode()).digest()


def well_formed(secret: str, prefix: Prefix) -> bool:
    """Tell whether `secret` has the form and checksum of `prefix`; says nothing about whether it was ever issued."""
    head = f"{prefix}_"
    body, checksum = secret[len(head) : -_CHECKSUM_CHARACTERS], secret[-_CHECKSUM_CHARACTERS:]
    return (
        secret.startswith(head)
        and len(body) == _RANDOM_CHARACTERS
        and all(character in _ALPHABET for character in body + checksum)
        and secrets.compare_digest(checksum.encode(), _checksum(prefix, body).encode())
    )


def _checksum(prefix: Prefix, body: str) -> str:
    number = zlib.crc32(f"{prefix}_{body}".encode())
    digits = []
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
