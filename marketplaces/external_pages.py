"""Pages of the settings about plugins that a marketplace has elsewhere: from which hosts, with what credentials, how far."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from marketplaces.services import bound
from marketplaces.services.external import hosts
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

_AT = "marketplaces/"
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class HostsForm(forms.Form):
    hosts = forms.CharField(
        label="Allowed hosts",
        required=False,
        max_length=20_000,
        widget=forms.Textarea({**_PLAIN, "rows": 6}),
        help_text="One a line, such as github.com. Empty allows none, not even the marketplace's own host.",
    )


class HostCredentialForm(forms.Form):
    credential_secret = forms.CharField(
        label="Access token",
        max_length=2000,
        widget=forms.PasswordInput(_PLAIN),
        help_text="Read-only, and for no more repositories than the plugins are in: whoever writes this marketplace "
        "can have any of them published that it opens.",
    )
    username = forms.CharField(
        label="User name",
        required=False,
        max_length=200,
        widget=forms.TextInput(_PLAIN),
        help_text="Only for hosts that want a certain one beside the token, as Bitbucket does.",
    )

    def __init__(self, allowed: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"] = forms.ChoiceField(choices=[(host, host) for host in allowed])
        self.order_fields(["host", "credential_secret", "username"])


@member_page
@require_safe
def external_sources(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    found = hosts.get_external_sources(principal=principal, marketplace_id=marketplace_id)
    return show_settings(
        request, principal, "marketplaces/external_sources.html", at=_AT, heading="External sources", external=found,
        repository=bound.get_marketplace(principal=principal, marketplace_id=marketplace_id),
    )  # fmt: skip


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def allow(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    found = hosts.get_external_sources(principal=principal, marketplace_id=marketplace_id)
    form = HostsForm(request.POST or None, initial={"hosts": "\n".join(found.hosts)})
    if form.is_valid():
        with refusals_in(form, "hosts"):
            wanted = form.cleaned_data["hosts"].splitlines()
            hosts.allow_hosts(principal=principal, marketplace_id=marketplace_id, hosts=wanted)
            said = "Plugins may come from these hosts. A sync is on its way."
            return done(request, said, address_of(principal, "external-sources", marketplace_id))
    return _form(request, principal, marketplace_id, form, heading="Allow hosts", button="Save")


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def bind_credential(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    found = hosts.get_external_sources(principal=principal, marketplace_id=marketplace_id)
    form = HostCredentialForm(found.hosts, request.POST or None)
    if form.is_valid():
        with refusals_in(form, "credential_secret"):
            hosts.bind_credential(principal=principal, marketplace_id=marketplace_id, **form.cleaned_data)
            said = "The host is asked with it from now on. A sync is on its way."
            return done(request, said, address_of(principal, "external-sources", marketplace_id))
    return _form(
        request, principal, marketplace_id, form, heading="Bind a credential to a host", button="Bind"
    )


@member_page
@require_POST
def remove_credential(
    request: HttpRequest, principal: Principal, marketplace_id: UUID, credential_id: UUID
) -> HttpResponse:
    act = partial(
        hosts.remove_credential,
        principal=principal,
        marketplace_id=marketplace_id,
        credential_id=credential_id,
    )
    said = "The host is asked without a credential again. A sync is on its way."
    return press(request, act, said=said, to=address_of(principal, "external-sources", marketplace_id))


def _form(
    request: HttpRequest,
    principal: Principal,
    marketplace_id: UUID,
    form: forms.Form,
    *,
    heading: str,
    button: str,
) -> HttpResponse:
    return show_settings(
        request, principal, "marketplaces/external_form.html", at=_AT, heading=heading, form=form, button=button,
        repository=bound.get_marketplace(principal=principal, marketplace_id=marketplace_id),
    )  # fmt: skip
