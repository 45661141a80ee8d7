"""allauth's forms, in our words. Settings name them (`ACCOUNT_FORMS`, `MFA_FORMS`)."""

from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm, ReauthenticateForm
from allauth.account.utils import perform_login
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ReauthenticateByCodeForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.http import HttpRequest, HttpResponse


class _Plain(forms.Form):
    """Without placeholders, which only repeat the labels and go away when they are needed."""

    error_title = "Nothing was changed yet"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class SignIn(_Plain, LoginForm):
    error_title = "You are not signed in yet"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Sign-in name"
        self.fields["login"].widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """Go on to the second factor. allauth's own would also set how long the session lasts, which we do."""
        response: HttpResponse = perform_login(request, self.user, redirect_url=redirect_url)
        return response


class SecondFactor(_Plain, AuthenticateForm):
    error_title = "You are not signed in yet"


class ConfirmByPassword(_Plain, ReauthenticateForm):
    pass


class ConfirmByCode(_Plain, ReauthenticateByCodeForm):
    pass


class ChangePassword(_Plain, ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Your password now"
        self.fields["password1"].label = "New password"
        self.fields[
            "password1"
        ].help_text = "At least 15 characters; no common password, and not like your name."
        self.fields["password2"].label = "The new password again"


class SetUpApp(_Plain, ActivateTOTPForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "The six digits"
        self.fields["code"].widget.attrs["inputmode"] = "numeric"


class AddPasskey(_Plain, AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["passwordless"].label = "Sign in with it alone, without name and password"
        self.fields[
            "passwordless"
        ].help_text = "The device then asks for a fingerprint, a face or a PIN each time."
