"""Admission rules of one connection: who is let in that way without an invitation."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from skillport.organizations.doors import member_page, needs
from skillport.organizations.models import Admission, By, Kind
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.organizations.pages.roles import RoleField, explained
from skillport.organizations.services.admission_rules import LONGEST_VALUE, add_rule, delete_rule
from skillport.organizations.services.connections import Connection, get_connection
from skillport.organizations.services.domains import State, list_domains
from skillport.permissions import Permission
from skillport.principal import Principal, Role

_AT_ONCE = explained("At once", "They belong here as soon as they have signed in.")
_AFTER_APPROVAL = explained("After approval", "They wait under Requests to join until somebody decides.")


class RuleForm(forms.Form):
    """By a verified domain for Google; by group, or everybody, for an organization's own provider."""

    def __init__(self, connection: Connection, domains: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if connection.kind is Kind.GOOGLE:
            choices = [(one, one) for one in domains]
            self.fields["value"] = forms.ChoiceField(label="Everybody of the domain", choices=choices)
        else:
            everybody = explained("Everybody", f"All people whom {connection.name} knows.")
            group = explained("A group", f"Those for whom {connection.name} says the group below.")
            by = [(By.GROUP, group)] if connection.groups_claim else []
            self.fields["by"] = forms.TypedChoiceField(
                label="Who", choices=[*by, (By.CONNECTION, everybody)], coerce=By, widget=forms.RadioSelect
            )
            if by:
                self.fields["value"] = forms.CharField(
                    label="Group",
                    required=False,
                    max_length=LONGEST_VALUE,
                    help_text="Exactly as the provider calls it.",
                )
        self.fields["admission"] = forms.TypedChoiceField(
            label="When",
            choices=[(Admission.APPROVAL, _AFTER_APPROVAL), (Admission.AUTOMATIC, _AT_ONCE)],
            coerce=Admission,
            widget=forms.RadioSelect,
        )
        given = [Role.MEMBER, Role.AUDITOR, Role.EDITOR, Role.ADMIN]
        self.fields["role"] = RoleField(label="As", roles=given)
        self.initial = {"admission": Admission.APPROVAL, "role": Role.MEMBER, **self.initial}

    @property
    def rule(self) -> dict[str, Any]:
        return {"by": By.DOMAIN, "value": "", **self.cleaned_data}


@member_page
@needs(Permission.SIGN_IN_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    found = get_connection(principal=principal, connection_id=connection_id)
    domains = [one.domain for one in list_domains(principal=principal) if one.state is State.VERIFIED]
    form = RuleForm(found, domains, request.POST or None)
    if form.is_valid():
        with refusals_in(form):
            add_rule(principal=principal, connection_id=connection_id, now=timezone.now(), **form.rule)
            return done(
                request,
                "The rule holds from the next sign-in on.",
                address_of(principal, "connection", connection_id),
            )
    return show_settings(
        request, principal, "organizations/rule_form.html", at="sign-in/", heading="Let people in",
        connection=found, form=form, needs_domain=found.kind is Kind.GOOGLE and not domains,
    )  # fmt: skip


@member_page
@require_POST
def delete(request: HttpRequest, principal: Principal, connection_id: UUID, rule_id: UUID) -> HttpResponse:
    named = {"rule_id": rule_id, "connection_id": connection_id}
    act = partial(delete_rule, principal=principal, now=timezone.now(), **named)
    said = "Nobody new is let in by this rule. Who came by it stays."
    return press(request, act, said=said, to=address_of(principal, "connection", connection_id))
