"""Requests to join: people who signed in and wait until somebody decides."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.errors import NotFound
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.organizations.pages.roles import RoleField, roles_in_reach_of
from skillport.organizations.services.join_requests import (
    approve_join_request,
    list_join_requests,
    refuse_join_request,
)
from skillport.permissions import Permission
from skillport.principal import Principal


class ApprovalForm(forms.Form):
    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = RoleField(label="Let them in as", roles=reversed(roles_in_reach_of(principal)))


@member_page
@require_safe
def join_requests(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = list_join_requests(principal=principal)
    return show_settings(
        request, principal, "organizations/requests.html", at="requests/", heading="Requests to join",
        requests=found,
    )  # fmt: skip


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def join_request(request: HttpRequest, principal: Principal, request_id: UUID) -> HttpResponse:
    """Show who waits and why; the form lets them in."""
    waiting = next((one for one in list_join_requests(principal=principal) if one.id == request_id), None)
    if waiting is None:
        raise NotFound
    form = ApprovalForm(principal, request.POST or None, initial={"role": waiting.role})
    if form.is_valid():
        with refusals_in(form):
            role = form.cleaned_data["role"]
            approve_join_request(principal=principal, request_id=request_id, role=role, now=timezone.now())
            to = settings_address(principal, "requests/")
            return done(
                request, f"{waiting.called} belongs to {principal.organization.name} from now on.", to
            )
    return show_settings(
        request, principal, "organizations/request.html", at="requests/", heading=f"Let {waiting.called} in?",
        waiting=waiting, form=form,
    )  # fmt: skip


@member_page
@require_POST
def refuse(request: HttpRequest, principal: Principal, request_id: UUID) -> HttpResponse:
    act = partial(refuse_join_request, principal=principal, request_id=request_id)
    said = "They stay outside. For thirty days, signing in again does not ask you again."
    return press(request, act, said=said, to=settings_address(principal, "requests/"))
