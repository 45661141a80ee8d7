"""Invitations: make one, send it again, revoke it. A link is shown once, in the answer to the form that made it."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import settings_address, show_settings
from skillport.organizations.pages.posting import press, refusals_in, refusals_told
from skillport.organizations.pages.roles import RoleField, roles_in_reach_of
from skillport.organizations.services.groups import GroupInList, list_groups
from skillport.organizations.services.invitations import (
    LONGEST_EMAIL,
    Sent,
    create_invitation,
    list_invitations,
    resend_invitation,
    revoke_invitation,
)
from skillport.permissions import Permission
from skillport.principal import Principal, Role


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=LONGEST_EMAIL,
        help_text="The link is mailed there. Whoever opens it first becomes the member, with the account they choose.",
    )

    def __init__(self, principal: Principal, groups: list[GroupInList], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = RoleField(roles=reversed(roles_in_reach_of(principal)))
        self.initial.setdefault("role", Role.MEMBER)
        by_hand = [(str(group.id), group.name) for group in groups if group.source is None]
        if by_hand:
            self.fields["group_ids"] = forms.TypedMultipleChoiceField(
                label="Groups",
                choices=by_hand,
                coerce=UUID,
                required=False,
                widget=forms.CheckboxSelectMultiple,
            )


@member_page
@require_safe
def invitations(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = list_invitations(principal=principal)
    return show_settings(
        request, principal, "organizations/invitations.html", at="invitations/", heading="Invitations",
        invitations=found,
    )  # fmt: skip


@member_page
@needs(Permission.MEMBERS_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest, principal: Principal) -> HttpResponse:
    form = InvitationForm(principal, list_groups(principal=principal), request.POST or None)
    if form.is_valid():
        with refusals_in(form):
            sent = create_invitation(principal=principal, now=timezone.now(), **form.cleaned_data)
            return _show_once(request, principal, sent)
    return show_settings(
        request, principal, "settings_form.html", at="invitations/", heading="Invite somebody", form=form,
        button="Invite",
    )  # fmt: skip


@member_page
@require_POST
def resend(request: HttpRequest, principal: Principal, invitation_id: UUID) -> HttpResponse:
    with refusals_told(request):
        sent = resend_invitation(principal=principal, invitation_id=invitation_id, now=timezone.now())
        return _show_once(request, principal, sent)
    return HttpResponseRedirect(settings_address(principal, "invitations/"))


@member_page
@require_POST
def revoke(request: HttpRequest, principal: Principal, invitation_id: UUID) -> HttpResponse:
    act = partial(revoke_invitation, principal=principal, invitation_id=invitation_id)
    to = settings_address(principal, "invitations/")
    return press(request, act, said="This invitation opens nothing any more.", to=to)


def _show_once(request: HttpRequest, principal: Principal, sent: Sent) -> HttpResponse:
    """Show the link in this answer and never again: a redirect would have to keep it somewhere."""
    return show_settings(
        request, principal, "organizations/invitation_link.html", at="invitations/", heading="The invitation is made",
        sent=sent,
    )  # fmt: skip
