"""The secret of a webhook, in the one form that every provider takes.

`whsec_` and 32 bytes in base64 is GitLab's signing token (Standard Webhooks); as text it serves as GitHub's secret and as
GitLab's shared token too.
"""

import base64
import binascii
import secrets
from typing import Final

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = 32


def new_secret() -> str:
    """Give a webhook's secret of 256 random bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def signing_key(secret: str) -> bytes | None:
    """Give the 32 bytes that a signing token writes; None for a secret of another form."""
    if not secret.startswith(_PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None
