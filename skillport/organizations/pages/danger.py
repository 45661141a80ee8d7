"""Ways out: leave the organization, or delete it."""

from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import ask_once, done, press, refusals_in
from skillport.organizations.services.members import remove_member
from skillport.organizations.services.organizations import close_organization, keep_organization
from skillport.permissions import Permission
from skillport.principal import Principal


class CloseForm(forms.Form):
    def __init__(self, slug: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirmation"] = forms.CharField(
            label=f"Type {slug} to say that you mean it", widget=forms.TextInput({"autocomplete": "off"})
        )


@member_page
@require_safe
def danger(request: HttpRequest, principal: Principal) -> HttpResponse:
    return show_settings(
        request, principal, "organizations/danger.html", at="danger/", heading="Leave or delete"
    )


@member_page
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Ask once, then end one's own membership."""
    name = principal.organization.name
    end = partial(
        remove_member, principal=principal, membership_id=principal.membership_id, now=timezone.now()
    )
    return ask_once(
        request, principal, "organizations/leave.html", end, at="danger/", button=f"Leave {name}",
        said=f"You do not belong to {name} any more.", to="/", back=settings_address(principal, "danger/"),
    )  # fmt: skip


@member_page
@needs(Permission.OWNERSHIP, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def close(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Ask for the organization to be deleted, once its address was typed."""
    form = CloseForm(principal.organization.slug, request.POST or None)
    if form.is_valid():
        with refusals_in(form, "confirmation"):
            close_organization(
                principal=principal, confirmation=form.cleaned_data["confirmation"], now=timezone.now()
            )
            return done(request, "Only owners get in from now on.", settings_address(principal, "danger/"))
    return show_settings(
        request, principal, "organizations/close.html", at="danger/",
        heading=f"Delete {principal.organization.name}?", form=form,
    )  # fmt: skip


@member_page
@require_POST
def keep(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Take the request to delete the organization back."""
    act = partial(keep_organization, principal=principal)
    said = f"{principal.organization.name} stays. Everybody gets in as before."
    return press(request, act, said=said, to=settings_address(principal, "danger/"))
