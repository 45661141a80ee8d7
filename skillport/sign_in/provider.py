"""The OpenID exchange. allauth keeps state and PKCE and trades the code; what it skips is checked here.

It would leave the id token's signature unchecked (it came over TLS), know no nonce, and read userinfo without
comparing whom it is about; see `docs/adr/0008-sign-in.md`.
"""

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import requests  # noqa: TID251 allauth's errors
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from skillport.errors import SkillportError
from skillport.organizations.models import Kind
from skillport.organizations.services.provider_metadata import (
    ProviderMetadata,
    get_json,
    known_provider,
)
from skillport.sign_in.claims import AssertionRefused, Claims, claims_of, verified_id_token
from skillport.sign_in.clients import Client

logger = logging.getLogger(__name__)

_SCOPES: Final = ("openid", "profile", "email")
_FRESH: Final = timedelta(minutes=10)


class ProviderRefusedPerson(SkillportError):
    """The provider sent the person back without vouching for them."""

    code = "provider_refused_person"
    status = 403
    message = (
        "Your organization's sign-in sent you back without signing you in. Try again, or ask whoever manages accounts "
        "there whether yours may use Skillport."
    )


class ProofMissing(SkillportError):
    code = "proof_missing"
    status = 403
    message = (
        "Your provider did not say when it asked you who you are (`auth_time`), so this could not be confirmed. Ask "
        "whoever manages it to send that claim."
    )


class AnswerExpired(SkillportError):
    """The answer belongs to no sign-in that this browser has begun: too old, used already, or another browser's."""

    code = "answer_expired"
    status = 403
    message = "This sign-in was begun too long ago, or in another browser. Begin again."


class ClientAdapter(OAuth2Adapter):
    """One client at one provider, as allauth's code exchange sees it."""

    def __init__(self, request: HttpRequest, client: Client, metadata: ProviderMetadata) -> None:
        super().__init__(request)
        self.client, self.metadata = client, metadata
        self.provider_id = client.key
        self.access_token_url = metadata.token_endpoint
        self.authorize_url = metadata.authorization_endpoint
        self.basic_auth = metadata.basic_auth

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002 allauth's signature
        return self.client.redirect_url


class ClientProvider(OpenIDConnectProvider):
    """Gives allauth an application that exists for this request only: no secret reaches its tables."""

    pkce_enabled_default = True

    def __init__(self, request: HttpRequest, client: Client) -> None:
        self.client = client
        self.metadata = known_provider(client.issuer)
        app = SocialApp(
            provider="openid_connect",
            provider_id=client.key,
            name=client.name,
            client_id=client.client_id,
            secret=client.secret,
            settings={},
        )
        super().__init__(request, app=app)

    def get_oauth2_adapter(self, request: HttpRequest) -> ClientAdapter:
        return ClientAdapter(request, self.client, self.metadata)


def begin(
    request: HttpRequest, client: Client, *, kept: dict[str, Any], confirm: bool = False
) -> HttpResponse:
    """Send the browser to the provider. `kept` comes back with the answer, from this browser's session.

    `confirm`: ask the provider to make the person prove who they are, even if it still knows them.
    Raises `HostUnreachable` or `ProviderRefused`.
    """
    nonce = secrets.token_urlsafe(32)
    asked = {"nonce": nonce}
    if confirm:
        # Google knows neither `prompt=login` nor `max_age`; choosing the account is the most it can be asked for.
        asked |= (
            {"prompt": "select_account"}
            if client.kind is Kind.GOOGLE
            else {"prompt": "login", "max_age": "0"}
        )
    provider = ClientProvider(request, client)
    response: HttpResponse = provider.redirect(
        request,
        process="login",
        data={**kept, "nonce": nonce, "confirm": confirm},
        scope=list(_SCOPES),
        auth_params=asked,
    )
    return response


def finish(request: HttpRequest, client: Client, *, now: datetime) -> tuple[Claims, dict[str, Any]]:
    """Trade the provider's answer for what it says of the person, and give back what `begin` kept.

    Raises `AnswerExpired`, `ProviderRefusedPerson`, `AssertionRefused`, `HostUnreachable` or `ProviderRefused`.
    """
    try:
        return _finish(request, client, now=now)
    except AssertionRefused as refused:
        logger.warning("An assertion was refused", extra={"why": refused.why, "client": client.key})
        raise


def _finish(request: HttpRequest, client: Client, *, now: datetime) -> tuple[Claims, dict[str, Any]]:
    provider = ClientProvider(request, client)
    try:
        state = provider.unstash_redirect_state(request, request.GET.get("state", ""))
    except PermissionDenied:
        raise AnswerExpired from None
    kept: dict[str, Any] = state["data"]
    if "iss" in request.GET and request.GET["iss"] != client.issuer:
        raise AssertionRefused("another issuer answered (RFC 9207)")
    if "error" in request.GET or "code" not in request.GET:
        logger.info("A provider sent a person back", extra={"error": request.GET.get("error", "")[:60]})
        raise ProviderRefusedPerson
    adapter = provider.get_oauth2_adapter(request)
    try:
        answer = adapter.get_access_token_data(
            request, provider.app, adapter.get_client(request, provider.app),
            pkce_code_verifier=state.get("pkce_code_verifier"),
        )  # fmt: skip
    except (OAuth2Error, requests.RequestException, ValueError, KeyError) as error:
        # The error's text may hold the provider's answer, so only its kind is logged.
        logger.warning("A code was not accepted", extra={"fault": type(error).__name__})
        raise ProviderRefusedPerson from None
    claims = _read(answer, client, provider.metadata, nonce=str(kept.get("nonce", "")))
    if kept.get("confirm"):
        _require_fresh(claims, client, now)
    return claims, kept


def proved_at(claims: Claims, client: Client, *, now: datetime) -> datetime | None:
    """Give when the person last proved to the provider who they are; None where it does not say.

    A provider that still knows somebody asks them nothing, so a sign-in alone is no proof. Google never says when
    it asked, and offers no way to make it ask: there its fresh answer has to do.
    """
    if client.kind is Kind.GOOGLE:
        return now
    return min(now, claims.authenticated_at) if claims.authenticated_at else None


def _require_fresh(claims: Claims, client: Client, now: datetime) -> None:
    """Raise unless the person proved just now who they are.

    A provider that was asked with `max_age` has to say when (Core 1.0, 3.1.2.1). Entra does where the optional claim
    `auth_time` is switched on; elsewhere its answer to `prompt=login` has to do.
    """
    if claims.authenticated_at is None and client.kind is Kind.OIDC:
        raise ProofMissing
    if claims.authenticated_at and now - claims.authenticated_at > _FRESH:
        raise AssertionRefused("auth_time is too old for a confirmation")


def _read(answer: dict[str, Any], client: Client, metadata: ProviderMetadata, *, nonce: str) -> Claims:
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise AssertionRefused("no id token")
    said = verified_id_token(token, keys=metadata.keys(), client=client, nonce=nonce)
    userinfo = {}
    wants_more = "email" not in said or (client.groups_claim and client.groups_claim not in said)
    if metadata.userinfo_endpoint and wants_more:
        bearer = {"Authorization": f"Bearer {answer.get('access_token', '')}"}
        userinfo = get_json(metadata.userinfo_endpoint, bearer)
    return claims_of(said, userinfo, client=client)
