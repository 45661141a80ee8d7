"""Who belongs to the organization, and as what."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import ask_once, done, refusals_in
from skillport.organizations.pages.roles import RoleField, role_name, roles_in_reach_of
from skillport.organizations.services.members import change_role, get_member, list_members, remove_member
from skillport.permissions import Permission, reaches, require
from skillport.principal import Principal


class RoleForm(forms.Form):
    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = RoleField(roles=roles_in_reach_of(principal))


@member_page
@require_safe
def members(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = list_members(principal=principal)
    return show_settings(
        request, principal, "organizations/members.html", at="members/", heading="Members", members=found
    )


@member_page
@require_http_methods(["GET", "HEAD", "POST"])
def member(request: HttpRequest, principal: Principal, membership_id: UUID) -> HttpResponse:
    """Show one person; the form changes their role."""
    person = get_member(principal=principal, membership_id=membership_id)
    if request.method == "POST":
        require(principal, Permission.MEMBERS_MANAGE)
    form = RoleForm(principal, request.POST or None, initial={"role": person.role})
    if form.is_valid():
        role = form.cleaned_data["role"]
        with refusals_in(form):
            change_role(principal=principal, membership_id=membership_id, role=role, now=timezone.now())
            return done(request, f"{person.called} is now {role_name(role).lower()}.", request.path)
    return show_settings(
        request, principal, "organizations/member.html", at="members/", heading=person.called,
        person=person, form=form, reaches=reaches(principal.role, person.role),
    )  # fmt: skip


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, principal: Principal, membership_id: UUID) -> HttpResponse:
    """Ask once, then end the membership."""
    person = get_member(principal=principal, membership_id=membership_id)
    end = partial(remove_member, principal=principal, membership_id=membership_id, now=timezone.now())
    return ask_once(
        request, principal, "organizations/member_remove.html", end, at="members/", button=f"Remove {person.called}",
        said=f"{person.called} does not belong to {principal.organization.name} any more.",
        to="/" if membership_id == principal.membership_id else settings_address(principal, "members/"),
        back=settings_address(principal, f"members/{membership_id}/"), person=person,
    )  # fmt: skip
