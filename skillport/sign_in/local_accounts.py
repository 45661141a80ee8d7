"""Local accounts: people who sign in with a name, a password and a second factor, and whom no provider knows."""

import re
from typing import Final

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from skillport.accounts.models import User
from skillport.errors import SkillportError

_HANDLE: Final = re.compile(r"[a-z0-9._@+-]{3,64}", re.ASCII)
# Recovery codes are no factor of their own: they stand in for one of these.
_FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class LocalAccountsOff(SkillportError):
    code = "local_accounts_off"
    status = 404
    message = (
        "Nobody signs in with a password here: the operator has switched that off. Sign in with your organization's "
        "provider."
    )


class HandleRefused(SkillportError):
    code = "handle_refused"
    status = 422
    message = "A sign-in name has 3 to 64 of these: a-z, 0-9 and . _ @ + -"


class HandleTaken(SkillportError):
    code = "handle_taken"
    status = 409
    message = "Somebody has this sign-in name already. Choose another one."


class PersonRefused(SkillportError):
    """What was told about the person, or the password, cannot be kept; the message says why."""

    code = "person_refused"
    status = 422


class LastFactor(SkillportError):
    code = "last_factor"
    status = 409
    message = "This is the only second factor of your account, and a password alone does not sign in. Add another one first."


def create_local_account(
    *, handle: str, name: str, email: str, password: str, is_operator: bool = False
) -> User:
    """Make a person who signs in here. The first sign-in sets up their second factor.

    The e-mail address is for display. Raises `HandleRefused`, `HandleTaken` or `PersonRefused`.
    """
    if not _HANDLE.fullmatch(handle):
        raise HandleRefused
    person = User(handle=handle, name=name.strip(), email=email.strip(), is_operator=is_operator)
    if not person.name or len(person.name) > 200:
        raise PersonRefused("Give a name of at most 200 characters.")
    try:
        if person.email:
            validate_email(person.email)
        validate_password(password, person)
    except ValidationError as error:
        raise PersonRefused(" ".join(error.messages)) from None
    person.set_password(password)
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError:
        raise HandleTaken from None
    return person


def refuse_unless_local(user: User) -> None:
    """Raise `LocalAccountsOff` unless this deployment has local accounts and `user` is one."""
    if not (settings.LOCAL_ACCOUNTS and is_local(user)):
        raise LocalAccountsOff


def is_local(user: User) -> bool:
    """Tell whether the person was made with a password: whoever a provider vouches for has none."""
    return bool(user.password) and user.has_usable_password()


def has_second_factor(user: User) -> bool:
    return _factors(user) > 0


def refuse_last_factor(user: User) -> None:
    """Raise `LastFactor` when the account would be left with its password alone.

    Needs a transaction: two removals at once must not each count on the other's factor.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if _factors(user) < 2:
        raise LastFactor


def _factors(user: User) -> int:
    found: int = Authenticator.objects.filter(user=user, type__in=_FACTORS).count()
    return found
