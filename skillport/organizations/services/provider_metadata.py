"""What an OpenID provider says of itself (OpenID Connect Discovery 1.0), read through the outbound guard."""

import base64
import json
import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from django.conf import settings

from skillport.errors import SkillportError
from skillport.outbound import Answer, Outbound

logger = logging.getLogger(__name__)

_DEADLINE_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256 * 1024
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_KNOWN_SECONDS: Final = 300.0
_FAILED_SECONDS: Final = 15.0
_MOST_KNOWN: Final = 1000
_known: "dict[str, tuple[float, ProviderMetadata | SkillportError]]" = {}  # only what providers publish, and by issuer
# Only signatures that need the provider's private key: with `none` or HS256 anybody could sign.
SIGNING_ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
_ASK: Final = "Check the issuer, or ask whoever manages the provider."


class ProviderRefused(SkillportError):
    """The provider answers, but not as an OpenID provider must, or it refuses the client."""

    code = "provider_refused"
    status = 422


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The part of the provider's metadata that a sign-in needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    basic_auth: bool  # whether the client's secret goes into the Authorization header

    def keys(self) -> dict[str, Any]:
        """Fetch the provider's current signing keys (RFC 7517). Raises `HostUnreachable` or `ProviderRefused`."""
        keys = get_json(self.jwks_uri)
        if not isinstance(keys.get("keys"), list) or not keys["keys"]:
            raise ProviderRefused(f"The provider shows no signing keys at its jwks_uri. {_ASK}")
        return keys

    def try_client(self, *, client_id: str, secret: str, redirect_url: str) -> None:
        """Let the provider refuse a made-up code: `invalid_grant` says that it knows the client and its secret.

        Providers differ in whether they look at the code or at the client first (RFC 6749, 5.2), so only the answers
        that blame the client count as a refusal. Raises `ProviderRefused` or `HostUnreachable`.
        """
        form = {
            "grant_type": "authorization_code",
            "code": f"skillport-checks-{secrets.token_urlsafe(8)}",
            "redirect_uri": redirect_url,
            "code_verifier": secrets.token_urlsafe(48),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.basic_auth:  # RFC 6749, 2.3.1: both parts are form-encoded first
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        answer = _outbound().request(
            "POST", self.token_endpoint, headers=headers, content=urlencode(form).encode(),
            max_bytes=_MOST_BYTES, deadline_seconds=_DEADLINE_SECONDS,
        )  # fmt: skip
        fault = _error_of(answer)
        if fault in {"invalid_client", "unauthorized_client"}:
            raise ProviderRefused(
                "The provider does not accept this client id with this secret. Copy both again; an expired secret "
                "has to be made anew."
            )
        if fault == "redirect_uri_mismatch":
            raise ProviderRefused(f"Register this redirect address at the provider: {redirect_url}")


def read_provider(issuer: str) -> ProviderMetadata:
    """Read and check a provider's metadata. Raises `AddressInvalid`, `HostUnreachable` or `ProviderRefused`."""
    document = get_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    # SECURITY: a provider may speak for its own issuer only (Discovery 1.0, 4.3).
    if document.get("issuer") != issuer:
        raise ProviderRefused(
            f"The provider calls itself {str(document.get('issuer'))[:200]!r}. Enter exactly that as the issuer, if it is yours."
        )
    for name in _ENDPOINTS:
        if not isinstance(document.get(name), str):
            raise ProviderRefused(f"The provider's metadata has no {name}. {_ASK}")
        _outbound().check(document[name])
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=document["authorization_endpoint"],
        token_endpoint=document["token_endpoint"],
        jwks_uri=document["jwks_uri"],
        userinfo_endpoint=str(document.get("userinfo_endpoint") or ""),
        basic_auth="client_secret_post" not in methods,
    )


def known_provider(issuer: str) -> ProviderMetadata:
    """Give a provider's metadata as it was at most five minutes ago. Signing keys are never kept. Raises as above."""
    known = _known.get(issuer)
    if known is None or known[0] < time.monotonic():
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[issuer] = _read_once(issuer)
    if isinstance(known[1], SkillportError):
        raise known[1]
    return known[1]


def _read_once(issuer: str) -> tuple[float, ProviderMetadata | SkillportError]:
    """Read a provider; one that fails is not asked again for a while, however many people want to sign in there."""
    try:
        return time.monotonic() + _KNOWN_SECONDS, read_provider(issuer)
    except SkillportError as error:
        return time.monotonic() + _FAILED_SECONDS, error


def get_json(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Fetch one JSON object. Raises `AddressInvalid`, `HostUnreachable` or `ProviderRefused`."""
    answer = _outbound().request(
        "GET", url, headers={"Accept": "application/json", **(headers or {})},
        max_bytes=_MOST_BYTES, deadline_seconds=_DEADLINE_SECONDS,
    )  # fmt: skip
    if answer.status != 200:
        logger.warning("A provider did not answer with 200", extra={"status": answer.status})
        raise ProviderRefused(
            f"The provider answered with status {answer.status} instead of its settings. Check the address."
        )
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProviderRefused("The provider's answer is not a JSON object. Check the address.")
    return document


def _error_of(answer: Answer) -> str:
    try:
        said = json.loads(answer.body)
    except ValueError:
        return "invalid_client" if answer.status == 401 else ""
    return str(said.get("error", "")) if isinstance(said, dict) else ""


def _outbound() -> Outbound:
    return Outbound(settings.OUTBOUND_ALLOWED_ORIGINS)
