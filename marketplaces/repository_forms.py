"""Forms about a repository and what it is read with: a token or password, or a GitHub App."""

from typing import Any, Final

from django import forms
from django.http import HttpRequest

from marketplaces.providers import github_app
from marketplaces.providers.api import Kind
from marketplaces.services.credentials import Credential, InstalledApp
from marketplaces.services.folders import LONGEST_FOLDER

PLAIN: Final = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
PROVIDERS: Final = [
    ("", "Find out by itself"),
    (Kind.GITHUB.value, "GitHub or GitHub Enterprise Server"),
    (Kind.GITLAB.value, "GitLab"),
    (Kind.OTHER.value, "Another git host"),
]


class ProviderField(forms.TypedChoiceField):
    """Whose programming interface the host has; empty lets Skillport ask the host."""

    def __init__(self) -> None:
        super().__init__(
            label="Kind of git host",
            choices=PROVIDERS,
            coerce=Kind,
            empty_value=Kind.NOT_ASKED,
            required=False,
            help_text="For webhooks and the end of tokens. Only for a host of your own that is not recognised.",
        )


class _SecretArea(forms.Textarea):
    """Several lines that are sent and never shown again."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002
        return super().get_context(name, None, attrs)


class TokenForm(forms.Form):
    credential_secret = forms.CharField(
        label="Access token",
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(PLAIN),
        help_text="Read-only. GitHub: a fine-grained token for this one repository with Contents: Read-only. GitLab: a "
        "project access token with the role Reporter and the scope read_repository. Empty for a public repository.",
    )
    username = forms.CharField(
        label="User name",
        required=False,
        max_length=200,
        widget=forms.TextInput(PLAIN),
        help_text="Only for hosts that want a certain one beside the token, as Bitbucket does.",
    )

    @property
    def given(self) -> dict[str, Any]:
        """Give what was entered, with the names that services use."""
        given = dict(self.cleaned_data)
        return {"credential": Credential(given.pop("credential_secret"), given.pop("username")), **given}


class AppForm(forms.Form):
    by = forms.CharField(widget=forms.HiddenInput, initial="app")  # which of the two forms this is
    app_id = forms.CharField(
        label="App id or client id",
        max_length=40,
        widget=forms.TextInput(PLAIN),
        help_text="On the App's page at GitHub, under General, About.",
    )
    credential_secret = forms.CharField(
        label="Private key",
        max_length=github_app.LONGEST_KEY,
        widget=_SecretArea({**PLAIN, "rows": 5, "placeholder": "-----BEGIN RSA PRIVATE KEY-----"}),
        help_text="The whole .pem file that GitHub gives when you press Generate a private key.",
    )
    installation_id = forms.IntegerField(
        label="Installation id",
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        widget=forms.TextInput({**PLAIN, "inputmode": "numeric"}),
        help_text="The number at the end of the installation's address at GitHub. Empty lets Skillport find it.",
    )

    @property
    def given(self) -> dict[str, Any]:
        """Give what was entered, with the names that services use."""
        given = dict(self.cleaned_data)
        given.pop("by")
        app = InstalledApp(given.pop("app_id"), given.pop("installation_id"))
        return {"credential": Credential(given.pop("credential_secret"), app=app), **given}


class _Repository(forms.Form):
    url = forms.CharField(
        label="Address of the repository",
        max_length=500,
        widget=forms.TextInput(
            {**PLAIN, "inputmode": "url", "placeholder": "https://github.com/acme/skills"}
        ),
        help_text="The https address from its clone button.",
    )
    branch = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(PLAIN),
        help_text="Empty follows the repository's default branch.",
    )
    folder = forms.CharField(
        required=False,
        max_length=LONGEST_FOLDER,
        widget=forms.TextInput(PLAIN),
        help_text="Where the marketplace lies in the repository, for example tools/claude. Empty takes its root.",
    )
    slug = forms.CharField(
        label="Name of the marketplace",
        required=False,
        max_length=64,
        widget=forms.TextInput(PLAIN),
        help_text="It is part of every skill's full name. Empty takes the repository's name.",
    )
    error_title = "The repository is not bound yet"


class RepositoryForm(TokenForm, _Repository):
    provider = ProviderField()
    field_order = ("url", "credential_secret", "username", "branch", "folder", "slug", "provider")


class AppRepositoryForm(AppForm, _Repository):
    field_order = ("url", "app_id", "credential_secret", "installation_id", "branch", "folder", "slug")


def by_app(request: HttpRequest, *, default: bool = False) -> bool:
    """Tell whether a GitHub App is what somebody enters, or wants to."""
    given = request.POST if request.method == "POST" else request.GET
    return given["by"] == "app" if "by" in given else default and request.method != "POST"
