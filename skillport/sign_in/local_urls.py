"""The addresses of local accounts. Of allauth's pages those that are listed here and no others."""

from allauth.account.views import LoginView
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.recovery_codes.views import (
    DownloadRecoveryCodesView,
    GenerateRecoveryCodesView,
    ViewRecoveryCodesView,
)
from allauth.mfa.webauthn.views import EditWebAuthnView, ListWebAuthnView, LoginWebAuthnView
from django.urls import path

from skillport.sign_in import local_pages
from skillport.sign_in.local_pages import for_local_accounts

_PAGES = {
    "local/": (LoginView, "account_login"),
    "password/change/": (local_pages.ChangePassword, "account_change_password"),
    "reauthenticate/": (local_pages.ConfirmByPassword, "account_reauthenticate"),
    "2fa/": (IndexView, "mfa_index"),
    "2fa/authenticate/": (AuthenticateView, "mfa_authenticate"),
    "2fa/reauthenticate/": (local_pages.ConfirmByCode, "mfa_reauthenticate"),
    "2fa/totp/activate/": (local_pages.SetUpApp, "mfa_activate_totp"),
    "2fa/totp/deactivate/": (local_pages.RemoveApp, "mfa_deactivate_totp"),
    "2fa/recovery-codes/": (ViewRecoveryCodesView, "mfa_view_recovery_codes"),
    "2fa/recovery-codes/generate/": (GenerateRecoveryCodesView, "mfa_generate_recovery_codes"),
    "2fa/recovery-codes/download/": (DownloadRecoveryCodesView, "mfa_download_recovery_codes"),
    "2fa/webauthn/": (ListWebAuthnView, "mfa_list_webauthn"),
    "2fa/webauthn/add/": (local_pages.AddPasskey, "mfa_add_webauthn"),
    "2fa/webauthn/login/": (LoginWebAuthnView, "mfa_login_webauthn"),
    "2fa/webauthn/reauthenticate/": (local_pages.ConfirmByPasskey, "mfa_reauthenticate_webauthn"),
    "2fa/webauthn/keys/<int:pk>/remove/": (local_pages.RemovePasskey, "mfa_remove_webauthn"),
    "2fa/webauthn/keys/<int:pk>/edit/": (EditWebAuthnView, "mfa_edit_webauthn"),
}
urlpatterns = [
    path(address, for_local_accounts(view.as_view()), name=name) for address, (view, name) in _PAGES.items()
]
