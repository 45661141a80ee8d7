"""What allauth asks us: it keeps local accounts and second factors, and does the code exchange; we say who is let in."""

import base64
from typing import Any, Final, NoReturn

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from qrcode.image.svg import SvgPathImage
from requests import Session  # noqa: TID251 allauth's

from skillport.accounts.models import User
from skillport.accounts.sessions import session_of
from skillport.database_clock import database_now
from skillport.encryption import key_ring
from skillport.errors import SkillportError
from skillport.key_ring import NO_ORGANIZATION, Place
from skillport.permissions import STEP_UP
from skillport.sign_in.guarded_requests import guarded_session
from skillport.sign_in.local_accounts import has_second_factor, refuse_unless_local
from skillport.sign_in.next_address import safe_next
from skillport.sign_in.signing_in import begin_second_factor, sign_in_locally

# allauth asks for a secret without saying whose it is.
FACTORS_PLACE: Final = Place(NO_ORGANIZATION, "mfa_authenticator", "", "data")


class AccountOff(SkillportError):
    code = "account_off"
    status = 403
    message = "This account was switched off. Ask whoever operates this deployment."


class AccountAdapter(DefaultAccountAdapter):
    """The rules of local accounts. Whoever comes through a provider passes by here."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The sign-in name or the password is not right.",
        "too_many_login_attempts": "Too many attempts that failed. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 allauth's signature
        """Nobody makes an account for themselves: local ones come from `create_owner`, others from a provider."""
        return False

    def is_safe_url(self, url: str) -> bool:
        return url == safe_next(url)

    def is_reauthentication_required(self, **_: Any) -> bool:
        """Ask for as much as any other page that needs a step-up: a sign-in or a confirmation just now."""
        session = session_of(context.request)
        return session.method != "" and not session.confirmed_within(STEP_UP, timezone.now())

    def login(self, request: HttpRequest, user: User) -> None:
        """Begin the session, once allauth has seen the password and the second factor that the account has."""
        refuse_unless_local(user)
        now = database_now()
        if has_second_factor(user):
            sign_in_locally(request, user, now=now)
        else:
            begin_second_factor(request, user, now=now)

    def respond_user_inactive(self, request: HttpRequest, user: User) -> NoReturn:  # noqa: ARG002 allauth's signature
        raise AccountOff

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 allauth's signature
        return "/accounts/sessions"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Gives allauth's code exchange a way out that is guarded; everything else of its social accounts is unused."""

    def get_requests_session(self) -> Session:
        return guarded_session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002 allauth's signature
        return False


class MFAAdapter(DefaultMFAAdapter):
    """Second factors, with their secrets sealed by the key ring: they belong to a person and to no organization."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(key_ring().seal(text, FACTORS_PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return key_ring().open(base64.b64decode(encrypted_text), FACTORS_PLACE)

    def generate_authenticator_name(self, user: User, type: Any) -> str:  # noqa: A002 allauth's signature
        before = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {before + 1}" if before else "Passkey"

    def get_totp_label(self, user: User) -> str:
        return user.handle

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        return {**entity, "name": user.handle, "display_name": str(user)}

    def build_totp_svg(self, url: str) -> SafeString:
        """Draw the QR code as an element of the page, which needs no exception from the content-security policy."""
        drawn: str = qrcode.make(url, image_factory=SvgPathImage, border=2).to_string(encoding="unicode")
        return SafeString(drawn)
