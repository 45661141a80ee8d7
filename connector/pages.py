"""Pages about API keys: one's own, and for administrators those of others."""

from functools import partial
from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connector.install.api_keys import LONGEST_DAYS, LONGEST_NAME, list_api_keys, make_own_key, revoke_key
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import press, refusals_in
from skillport.organizations.pages.roles import explained
from skillport.organizations.services.members import get_member
from skillport.permissions import scopes_within
from skillport.principal import Principal, Scope

_DAYS: Final = 90
_MEANING: Final = {
    Scope.SKILLS_READ: ("Read skills", "Lists the skills that you may use, and reads them."),
    Scope.SKILLS_INSTALL: ("Install skills", "Makes install commands for the skills that you may use."),
    Scope.CONNECTOR: ("Use the connector", "Lets a client such as Claude Code connect as you."),
    Scope.MEMBERS_READ: ("See members", "Lists members, groups and invitations."),
    Scope.MEMBERS_MANAGE: (
        "Manage members",
        "Changes members, groups and invitations, as far as your role reaches.",
    ),
    Scope.SIGN_IN_MANAGE: ("Manage sign-in", "Changes how everybody signs in. For provisioning only."),
    Scope.MARKETPLACES_MANAGE: (
        "Manage marketplaces",
        "Binds repositories, replaces their credentials, begins syncs.",
    ),
}


class KeyForm(forms.Form):
    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = scopes_within(principal.role, principal.scopes)
        self.fields["name"] = forms.CharField(
            max_length=LONGEST_NAME, help_text="Where it is used, as in release pipeline."
        )
        self.fields["scopes"] = forms.TypedMultipleChoiceField(
            label="What it may do",
            choices=[(scope.value, explained(*_MEANING[scope])) for scope in Scope if scope in mine],
            coerce=Scope,
            initial=[Scope.SKILLS_READ],
            widget=forms.CheckboxSelectMultiple,
        )
        self.fields["days"] = forms.IntegerField(
            label="Days until it ends", min_value=1, max_value=LONGEST_DAYS, initial=_DAYS
        )


@member_page
@require_safe
def keys(request: HttpRequest, principal: Principal) -> HttpResponse:
    return show_settings(
        request, principal, "connector/keys.html", at="keys/", heading="API keys",
        keys=list_api_keys(principal=principal), are_own=True,
    )  # fmt: skip


@member_page
@require_safe
def keys_of_member(request: HttpRequest, principal: Principal, membership_id: UUID) -> HttpResponse:
    person = get_member(principal=principal, membership_id=membership_id)
    return show_settings(
        request, principal, "connector/keys.html", at="members/",
        heading=f"API keys of {person.called}", person=person,
        keys=list_api_keys(principal=principal, membership_id=membership_id),
    )  # fmt: skip


@member_page
@needs(confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def new_key(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Make a key. Its secret is shown in this answer and never again: a redirect would have to keep it somewhere."""
    form = KeyForm(principal, request.POST or None)
    if form.is_valid():
        with refusals_in(form):
            given = {**form.cleaned_data, "scopes": frozenset(form.cleaned_data["scopes"])}
            minted = make_own_key(principal=principal, now=timezone.now(), **given)
            return show_settings(
                request, principal, "connector/key_made.html", at="keys/", heading="Copy this key now",
                secret=minted.plain_secret, site_url=settings.SITE_URL, name=given["name"], days=given["days"],
                scopes=sorted(given["scopes"]),
            )  # fmt: skip
    return show_settings(
        request,
        principal,
        "settings_form.html",
        at="keys/",
        heading="New API key",
        form=form,
        button="Make key",
    )


@member_page
@require_POST
def revoke(
    request: HttpRequest, principal: Principal, key_id: UUID, membership_id: UUID | None = None
) -> HttpResponse:
    page = f"members/{membership_id}/keys/" if membership_id else "keys/"
    act = partial(revoke_key, principal=principal, key_id=key_id, membership_id=membership_id)
    return press(request, act, said="This key opens nothing any more.", to=settings_address(principal, page))
