"""One way in: add it, change it, check it, stop it, delete it."""

from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.models import Kind
from skillport.organizations.pages.navigation import address_of, settings_address, show_settings
from skillport.organizations.pages.posting import ask_once, done, press, refusals_in
from skillport.organizations.services.connections import (
    LONGEST,
    Connection,
    Settings,
    add_connection,
    change_connection,
    check_connection,
    delete_connection,
    enable_connection,
    get_connection,
    redirect_url,
)
from skillport.permissions import Permission
from skillport.principal import Principal

_FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.GOOGLE: (),
    Kind.ENTRA: ("name", "tenant_id", "client_id", "client_secret", "groups_claim"),
    Kind.OIDC: ("name", "issuer", "client_id", "client_secret", "groups_claim"),
}


class ConnectionForm(forms.Form):
    """The settings of one kind of connection. A secret is typed and never shown again."""

    name = forms.CharField(
        max_length=LONGEST["name"], required=False, help_text="What people see on the sign-in page."
    )
    issuer = forms.URLField(
        max_length=LONGEST["issuer"],
        assume_scheme="https",
        help_text="As in https://example.okta.com, without /.well-known.",
    )
    tenant_id = forms.CharField(
        label="Directory (tenant) id",
        max_length=LONGEST["tenant_id"],
        help_text="On the overview page of your application in Entra.",
    )
    client_id = forms.CharField(
        label="Client id",
        max_length=LONGEST["client_id"],
        help_text="In Entra: application (client) id.",
    )
    client_secret = forms.CharField(max_length=LONGEST["client_secret"], strip=True)
    groups_claim = forms.CharField(
        label="Claim that holds groups",
        max_length=LONGEST["groups_claim"],
        required=False,
        help_text="As in groups or roles. Leave it empty when the provider's groups should count for nothing here.",
    )

    def __init__(self, kind: Kind, *args: Any, has_secret: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.fields = {name: field for name, field in self.fields.items() if name in _FIELDS[kind]}
        if secret := self.fields.get("client_secret"):
            secret.required = not has_secret
            secret.widget = forms.PasswordInput({"autocomplete": "off"})
            kept = "Leave it empty to keep the stored one. " if has_secret else ""
            secret.help_text = f"{kept}Stored encrypted, shown to nobody, sent only to this provider."

    @property
    def given(self) -> Settings:
        return Settings(kind=self.kind, **self.cleaned_data)


@member_page
@needs(Permission.SIGN_IN_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, principal: Principal, kind: str) -> HttpResponse:
    """Show the redirect address to register at the provider, take the settings, try them and keep them."""
    if kind not in Kind.values:
        raise Http404
    chosen = Kind(kind)
    form = ConnectionForm(chosen, request.POST if request.method == "POST" else None)
    connection_id = _reserved_id(request, principal)
    if form.is_valid():
        with refusals_in(form):
            add_connection(
                principal=principal, given=form.given, now=timezone.now(), connection_id=connection_id
            )
            del request.session[_reservation(principal)]
            return done(
                request, "It works, and is switched on. Say next who is let in this way.",
                address_of(principal, "connection", connection_id),
            )  # fmt: skip
    return show_settings(
        request, principal, "organizations/connection_form.html", at="sign-in/",
        heading=f"Add {chosen.label}", form=form, kind=chosen, button="Check and save",
        redirect_url="" if chosen is Kind.GOOGLE else redirect_url(connection_id),
    )  # fmt: skip


@member_page
@require_safe
def connection(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    found = get_connection(principal=principal, connection_id=connection_id)
    return show_settings(
        request,
        principal,
        "organizations/connection.html",
        at="sign-in/",
        heading=found.name,
        connection=found,
    )


@member_page
@needs(Permission.SIGN_IN_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    """Change the settings, once the new ones were tried."""
    found = get_connection(principal=principal, connection_id=connection_id)
    if found.kind is Kind.GOOGLE:
        raise Http404  # it is the deployment's own: there is nothing to change
    form = ConnectionForm(
        found.kind, request.POST or None, has_secret=found.has_secret, initial=_stored(found)
    )
    if form.is_valid():
        with refusals_in(form):
            change_connection(
                principal=principal, connection_id=connection_id, given=form.given, now=timezone.now()
            )
            return done(
                request, "It works, and is saved.", address_of(principal, "connection", connection_id)
            )
    return show_settings(
        request, principal, "organizations/connection_form.html", at="sign-in/", heading=f"Change {found.name}",
        form=form, kind=found.kind, redirect_url=found.redirect_url, button="Check and save", connection=found,
    )  # fmt: skip


@member_page
@require_POST
def check(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    """Try what is stored."""
    found = get_connection(principal=principal, connection_id=connection_id)
    given = Settings(kind=found.kind, **_stored(found))
    act = partial(
        check_connection, principal=principal, given=given, connection_id=connection_id, now=timezone.now()
    )
    said = f"{found.name} answers and accepts this client."
    return press(request, act, said=said, to=address_of(principal, "connection", connection_id))


@member_page
@require_POST
def enable(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    enabled = request.POST.get("enabled") == "yes"
    act = partial(
        enable_connection,
        principal=principal,
        connection_id=connection_id,
        enabled=enabled,
        now=timezone.now(),
    )
    said = "People get in this way again." if enabled else "Nobody gets in this way any more."
    return press(request, act, said=said, to=address_of(principal, "connection", connection_id))


@member_page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, principal: Principal, connection_id: UUID) -> HttpResponse:
    """Ask once, then delete it."""
    found = get_connection(principal=principal, connection_id=connection_id)
    act = partial(delete_connection, principal=principal, connection_id=connection_id, now=timezone.now())
    return ask_once(
        request, principal, "organizations/connection_delete.html", act, at="sign-in/", button=f"Delete {found.name}",
        said=f"{found.name} is deleted.", to=settings_address(principal, "sign-in/"),
        back=address_of(principal, "connection", connection_id), connection=found,
    )  # fmt: skip


def _stored(connection: Connection) -> dict[str, str]:
    """Give what a form or a check begins with: everything but the secret."""
    return {
        "name": connection.name,
        "issuer": connection.issuer,
        "tenant_id": str(connection.tenant_id or ""),
        "client_id": connection.client_id,
        "groups_claim": connection.groups_claim,
    }


def _reservation(principal: Principal) -> str:
    return f"connection of {principal.organization_id}"


def _reserved_id(request: HttpRequest, principal: Principal) -> UUID:
    """Give the id that the next connection will have; it is kept where the browser cannot choose it."""
    return UUID(request.session.setdefault(_reservation(principal), str(uuid4())))
