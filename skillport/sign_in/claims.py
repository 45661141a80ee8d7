"""What a provider says of a person, after all that OpenID Connect Core 1.0 (3.1.3.7) asks to be checked was."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from skillport.errors import SkillportError
from skillport.organizations.models import Kind
from skillport.organizations.services.provider_metadata import SIGNING_ALGORITHMS
from skillport.sign_in.clients import Client

_LEEWAY_SECONDS: Final = 60
_LONGEST_SUBJECT: Final = 255
_MOST_GROUPS: Final = 1000


class AssertionRefused(SkillportError):
    """The provider's statement cannot be believed. `why` is for the log; the person is not told which check failed."""

    code = "assertion_refused"
    status = 403
    message = (
        "The answer of the sign-in provider could not be trusted, so nobody was signed in. Try once more; if it happens "
        "again, tell an administrator of your organization."
    )

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class WrongDirectory(AssertionRefused):
    """Microsoft vouches for the person, as somebody of another tenant than the connection's."""

    code = "wrong_directory"
    message = (
        "Microsoft signed you in with an account of another directory than the one that this organization uses, so nobody "
        "was signed in here. Sign in again and choose your account of the organization; if you have none, ask one of its "
        "administrators."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """A person as the provider knows them. Only `issuer` and `subject` say who it is; the rest is for display and rules.

    `groups` is None where the provider said that there are too many to list, which is not the same as none.
    """

    issuer: str
    subject: str
    email: str
    name: str
    directory_id: str
    hosted_domain: str
    groups: frozenset[str] | None
    authenticated_at: datetime | None


def verified_id_token(token: str, *, keys: Mapping[str, Any], client: Client, nonce: str) -> dict[str, Any]:
    """Check an id token's signature, issuer, audience, times, nonce, and Entra's tenant. Raises `AssertionRefused`."""
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        # SECURITY: only what needs the provider's private key; `none` and HS256 with a public key are the old forgeries.
        if algorithm not in SIGNING_ALGORITHMS:
            raise AssertionRefused(f"algorithm {str(algorithm)[:20]!r}")
        said: dict[str, Any] = jwt.decode(
            token,
            _key(keys, header.get("kid")),
            algorithms=[algorithm],
            audience=client.client_id,
            issuer=client.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        # The signature is checked before the issuer, so this is Microsoft's own word about somebody of another tenant.
        elsewhere = client.tenant_id is not None and isinstance(error, jwt.InvalidIssuerError)
        raise (WrongDirectory if elsewhere else AssertionRefused)(type(error).__name__) from None
    _check_party(said, client.client_id)
    if not hmac.compare_digest(str(said.get("nonce", "")).encode(errors="replace"), nonce.encode()):
        raise AssertionRefused("nonce")
    if client.tenant_id is not None and said.get("tid") != str(client.tenant_id):
        raise AssertionRefused("tid")
    subject = said["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "\0" in subject:
        raise AssertionRefused("sub")
    return said


def claims_of(said: Mapping[str, Any], userinfo: Mapping[str, Any], *, client: Client) -> Claims:
    """Read a verified id token, and what the userinfo endpoint adds to it. Raises `AssertionRefused`."""
    # SECURITY: Core 1.0, 5.3.2. A userinfo answer about somebody else must not lend its e-mail or its groups.
    if userinfo and userinfo.get("sub") != said["sub"]:
        raise AssertionRefused("userinfo is about somebody else")
    both = {**userinfo, **said}
    return Claims(
        issuer=client.issuer,
        subject=said["sub"],
        email=_text(both.get("email") or both.get("preferred_username"), 254) if _has_address(both) else "",
        name=_text(both.get("name"), 200),
        directory_id=_text(said.get("oid"), 64) if client.kind is Kind.ENTRA else "",
        hosted_domain=_text(said.get("hd"), 253) if client.kind is Kind.GOOGLE else "",
        groups=_groups(both, client.groups_claim),
        authenticated_at=_time(said.get("auth_time")),
    )


def _key(keys: Mapping[str, Any], wanted: object) -> Any:
    """Give the signing key that the token names; without a name, the only one there is."""
    usable = [key for key in jwt.PyJWKSet(keys["keys"]).keys if key.public_key_use in {None, "sig"}]
    named = [key for key in usable if key.key_id == wanted] if wanted is not None else usable
    if len(named) != 1:
        raise AssertionRefused("no such key")
    return named[0].key


def _check_party(said: Mapping[str, Any], client_id: str) -> None:
    """Refuse a token that was made for several parties, unless we are the one that asked for it."""
    party, audience = said.get("azp"), said["aud"]
    if (party is not None and party != client_id) or (
        isinstance(audience, list) and len(audience) > 1 and party is None
    ):
        raise AssertionRefused("azp")


def _has_address(said: Mapping[str, Any]) -> bool:
    address = said.get("email") or said.get("preferred_username")
    return isinstance(address, str) and "@" in address


def _groups(said: Mapping[str, Any], claim: str) -> frozenset[str] | None:
    """Read the groups claim: a list, or one text. None when the provider says that it left them out.

    Source: Microsoft, "Configure group claims": more than 200 groups are replaced by `_claim_names` (checked 2026-11).
    """
    if not claim:
        return frozenset()
    left_out = said.get("_claim_names")
    if isinstance(left_out, dict) and claim in left_out:
        return None
    found = said.get(claim)
    values = found if isinstance(found, list) else [found]
    if len(values) > _MOST_GROUPS:
        return None
    return frozenset(value for value in values if isinstance(value, str) and value)


def _time(value: object) -> datetime | None:
    """Read a time in seconds since 1970; None for what is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _text(value: object, longest: int) -> str:
    """Keep a claim as plain text of one line; whatever else it is becomes ''."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable())[:longest].strip()
