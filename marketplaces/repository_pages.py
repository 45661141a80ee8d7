"""Pages of the settings about the repositories that are bound: where each stands, what its syncs did, what can be changed."""

from functools import partial
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from marketplaces.repository_forms import AppForm, TokenForm, by_app
from marketplaces.services import binding, bound
from marketplaces.services.storage import get_storage
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

_AT = "marketplaces/"


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
    with_app = by_app(request, default=found.app is not None)
    form = _credential_form(request, found, with_app=with_app)
    if form.is_valid():
        with refusals_in(form, "credential_secret"):
            binding.replace_checked_credential(
                principal=principal, marketplace_id=marketplace_id, **form.given
            )
            said = "The host accepts it. A sync with it is on its way."
            return done(request, said, address_of(principal, "repository", marketplace_id))
    return show_settings(
        request, principal, "marketplaces/repository_credential.html", at=_AT,
        heading="Replace the GitHub App's key" if with_app else "Replace the token", form=form, repository=found,
        by_app=with_app,
    )  # fmt: skip


def _credential_form(request: HttpRequest, found: bound.Bound, *, with_app: bool) -> AppForm | TokenForm:
    if not with_app:
        return TokenForm(request.POST or None, initial={"username": found.username})
    known = {"app_id": found.app.id, "installation_id": found.app.installation_id} if found.app else {}
    return AppForm(request.POST or None, initial=known)
