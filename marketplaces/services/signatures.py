"""Whether a delivery comes from somebody who has the webhook's secret.

Three forms, of which the strongest that is there decides alone:

- Standard Webhooks, as GitLab 19.0 and newer sign: `webhook-id`, `webhook-timestamp` and `webhook-signature`, HMAC-SHA256 in
  base64 over `id.timestamp.body`, by the 32 bytes that the secret `whsec_…` writes in base64
- GitHub, Gitea and Bitbucket: `X-Hub-Signature-256` or `X-Hub-Signature`, HMAC-SHA256 in hex over the body
- GitLab's shared token, sent along as it is: `X-Gitlab-Token`

Sources: standardwebhooks.com; docs.gitlab.com "Webhooks"; docs.github.com "Validating webhook deliveries"; checked 2026-11.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from marketplaces.providers.secrets import signing_key

TOLERANCE_SECONDS: Final = 300
_MOST_SIGNATURES: Final = 10


class Forged(Exception):
    """The delivery does not prove that its sender has the secret. The text says why, for administrators only."""


def check(*, headers: Mapping[str, str], body: bytes, secrets_valid: Sequence[str], now: float) -> None:
    """Raise `Forged` unless the delivery was made with one of the secrets. `now` is in seconds since 1970.

    Names in `headers` are looked up without regard to case, as Django's are.
    """
    valid = [secret for secret in secrets_valid if secret]
    if signature := headers.get("webhook-signature"):
        _check_standard(headers, signature, body, valid, now)
    elif signature := headers.get("X-Hub-Signature-256") or headers.get("X-Hub-Signature"):
        if not _any_equal(signature, ("sha256=" + _hmac(secret.encode(), body).hex() for secret in valid)):
            raise Forged(
                "Its signature is wrong: the git host has another secret, or the content was changed."
            )
    elif token := headers.get("X-Gitlab-Token"):
        if not _any_equal(token, iter(valid)):
            raise Forged("Its secret token is wrong: the git host has another one.")
    else:
        raise Forged("It carried no signature: the webhook has no secret at the git host.")


def _check_standard(
    headers: Mapping[str, str], signature: str, body: bytes, valid: Sequence[str], now: float
) -> None:
    delivery, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not delivery or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Forged("It carried a signature without an id or a time.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise Forged(
            "It is more than five minutes old, or the clocks of the git host and of Skillport differ."
        )
    signed = f"{delivery}.{timestamp}.".encode() + body
    keys = [key for key in map(signing_key, valid) if key is not None]
    expected = ["v1," + base64.b64encode(_hmac(key, signed)).decode() for key in keys]
    # Several signatures, where a sender changes its key.
    if not any(_any_equal(one, iter(expected)) for one in signature.split(" ")[:_MOST_SIGNATURES]):
        raise Forged(
            "Its signature is wrong: the git host has another signing token, or the content was changed."
        )


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def _any_equal(given: str, expected: Iterator[str]) -> bool:
    """Compare in constant time with each, without ending at the first that is equal."""
    return sum(hmac.compare_digest(given.encode("utf-8", "replace"), one.encode()) for one in expected) > 0
