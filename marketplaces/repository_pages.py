"""Pages of the settings about the repositories that are bound: where each stands, what its syncs did, what can be changed."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from marketplaces.services import binding, bound
from marketplaces.services.credentials import Credential
from marketplaces.services.folders import LONGEST_FOLDER
from marketplaces.services.storage import get_storage
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

_AT = "marketplaces/"
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class CredentialForm(forms.Form):
    credential_secret = forms.CharField(
        label="Access token",
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(_PLAIN),
        help_text="Read-only. GitHub: a fine-grained token for this one repository with Contents: Read-only. GitLab: a "
        "project access token with the role Reporter and the scope read_repository. Empty for a public repository.",
    )
    username = forms.CharField(
        label="User name",
        required=False,
        max_length=200,
        widget=forms.TextInput(_PLAIN),
        help_text="Only for hosts that want a certain one beside the token, as Bitbucket does.",
    )

    @property
    def given(self) -> dict[str, Any]:
        """Give what was entered, with the names that services use."""
        given = dict(self.cleaned_data)
        return {"credential": Credential(given.pop("credential_secret"), given.pop("username")), **given}


class RepositoryForm(CredentialForm):
    branch = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(_PLAIN),
        help_text="Empty follows the repository's default branch.",
    )
    url = forms.CharField(
        label="Address of the repository",
        max_length=500,
        widget=forms.TextInput(
            {**_PLAIN, "inputmode": "url", "placeholder": "https://github.com/acme/skills"}
        ),
        help_text="The https address from its clone button.",
    )
    folder = forms.CharField(
        required=False,
        max_length=LONGEST_FOLDER,
        widget=forms.TextInput(_PLAIN),
        help_text="Where the marketplace lies in the repository, for example tools/claude. Empty takes its root.",
    )
    slug = forms.CharField(
        label="Name of the marketplace",
        required=False,
        max_length=64,
        widget=forms.TextInput(_PLAIN),
        help_text="It is part of every skill's full name. Empty takes the repository's name.",
    )
    error_title = "The repository is not bound yet"
    field_order = ("url", "credential_secret", "username", "branch", "folder", "slug")


@member_page
@needs(Permission.MARKETPLACES_MANAGE)
@require_safe
def repositories(request: HttpRequest, principal: Principal) -> HttpResponse:
    return show_settings(
        request, principal, "marketplaces/repositories.html", at=_AT, heading="Marketplaces",
        repositories=bound.list_marketplaces(principal=principal), storage=get_storage(principal=principal),
    )  # fmt: skip


@member_page
@require_safe
def repository(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    return show_settings(
        request, principal, "marketplaces/repository.html", at=_AT, heading=found.slug, repository=found,
        runs=bound.list_runs(principal=principal, marketplace_id=marketplace_id),
    )  # fmt: skip


@member_page
@require_safe
def run(request: HttpRequest, principal: Principal, marketplace_id: UUID, run_id: int) -> HttpResponse:
    found, findings = bound.get_run(principal=principal, marketplace_id=marketplace_id, run_id=run_id)
    return show_settings(
        request, principal, "marketplaces/run.html", at=_AT, heading=f"Sync {found.id}", run=found,
        findings=findings, repository=bound.get_marketplace(principal=principal, marketplace_id=marketplace_id),
    )  # fmt: skip


@member_page
@require_POST
def sync(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(binding.sync_marketplace, principal=principal, marketplace_id=marketplace_id)
    return press(
        request, act, said="A sync is on its way.", to=address_of(principal, "repository", marketplace_id)
    )


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def credential(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """Replace the credential by one that the host accepts; until then the old one stays."""
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    form = CredentialForm(request.POST or None, initial={"username": found.username})
    if form.is_valid():
        with refusals_in(form, "credential_secret"):
            binding.replace_checked_credential(
                principal=principal, marketplace_id=marketplace_id, **form.given
            )
            said = "The host accepts it. A sync with it is on its way."
            return done(request, said, address_of(principal, "repository", marketplace_id))
    return _form(
        request, principal, form, heading="Replace the token", button="Check and replace", repository=found
    )


def _form(
    request: HttpRequest, principal: Principal, form: forms.Form, *, heading: str, button: str, **more: Any
) -> HttpResponse:
    return show_settings(
        request, principal, "marketplaces/repository_form.html", at=_AT, heading=heading, form=form, button=button, **more
    )  # fmt: skip
