"""Pages on which a repository is checked and bound, and on which its new address is confirmed when it has moved."""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from marketplaces.check_streams import lines_of, wants_lines
from marketplaces.repository_forms import AppForm, AppRepositoryForm, RepositoryForm, TokenForm, by_app
from marketplaces.services import binding, bound, checking, moving, webhook_setup
from marketplaces.services.steps import TITLES, Step, StepName, steps_of
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import show_settings
from skillport.organizations.pages.posting import done, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

Repository = RepositoryForm | AppRepositoryForm
_AT: Final = "marketplaces/"
_FIELDS: Final = {
    StepName.ADDRESS: "url",
    StepName.APP: "app_id",
    StepName.INSTALLATION: "installation_id",
    StepName.HOST: "url",
    StepName.CREDENTIAL: "credential_secret",
    StepName.REPOSITORY: "url",
    StepName.BRANCH: "branch",
}


class MovedForm(TokenForm):
    address = forms.CharField(widget=forms.HiddenInput, max_length=500)


class MovedAppForm(AppForm):
    address = forms.CharField(widget=forms.HiddenInput, max_length=500)


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def bind(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Check a repository and bind it. The webhook's secret is shown in this answer and never again.

    With `checked`, the page has just told of a check that passed: then the host is only asked for the newest commit.
    """
    kind = AppRepositoryForm if by_app(request) else RepositoryForm
    form = kind(request.POST or None, initial={"url": request.GET.get("url", "")[:500]})
    steps: tuple[Step, ...] = ()
    if form.is_valid():
        with refusals_in(form):
            if "checked" not in request.POST:
                report = checking.check(checking.begin_check(principal=principal, **form.given))
                steps = report.steps
                if not report.passed:
                    _tell(form, steps[-1])
                    return _form(request, principal, form, steps)
            made = binding.bind_checked_marketplace(principal=principal, **form.given)
            return show_settings(
                request, principal, "marketplaces/repository_bound.html", at=_AT,
                heading="The repository answers", made=made, lines=_lines(principal, steps, by_app=by_app(request)) if steps else [],
                by_hand=webhook_setup.by_hand(principal=principal, marketplace_id=made.marketplace_id),
                repository=bound.get_marketplace(principal=principal, marketplace_id=made.marketplace_id),
            )  # fmt: skip
    return _form(request, principal, form, steps)


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_POST
def check(request: HttpRequest, principal: Principal) -> HttpResponseBase:
    """Check a repository and save nothing: step by step to a script, as a page to everybody else."""
    form = (AppRepositoryForm if by_app(request) else RepositoryForm)(request.POST)
    steps: tuple[Step, ...] = ()
    if form.is_valid():
        with refusals_in(form):
            begun = checking.begin_check(principal=principal, **form.given)
            if wants_lines(request.headers.get("Accept", "")):
                return lines_of(begun, lambda step: _line(principal, step.name, step))
            report = checking.check(begun)
            steps = report.steps
            if not report.passed:
                _tell(form, steps[-1])
    return _form(request, principal, form, steps)


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def moved(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """Confirm where the repository has gone. It is read there once it answers; until then nothing changes."""
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    keeps = bool(found.moved_to) and moving.keeps_credential(found.url, found.moved_to)
    with_app = by_app(request)
    initial = {"address": found.moved_to, "username": found.username if keeps else ""}
    form = (MovedAppForm if with_app else MovedForm)(request.POST or None, initial=initial)
    if keeps and not with_app:
        form.fields["credential_secret"].help_text = "Empty keeps the one that is stored."
    if form.is_valid():
        with refusals_in(form):
            moving.confirm_move(principal=principal, marketplace_id=marketplace_id, **form.given)
            said = "The repository answers at its new address. A sync from there is on its way."
            return done(
                request, said, reverse("repository", args=[principal.organization.slug, marketplace_id])
            )
    return show_settings(
        request, principal, "marketplaces/repository_moved.html", at=_AT, heading="The repository has moved",
        form=form, repository=found, keeps=keeps, by_app=with_app,
    )  # fmt: skip


def _form(
    request: HttpRequest, principal: Principal, form: Repository, steps: tuple[Step, ...]
) -> HttpResponse:
    return show_settings(
        request, principal, "marketplaces/repository_bind.html", at=_AT, heading="Bind a repository", form=form,
        lines=_lines(principal, steps, by_app=by_app(request)), has_steps=bool(steps), by_app=by_app(request),
    )  # fmt: skip


def _tell(form: Repository, failed: Step) -> None:
    """Let the form say what failed, beside the field in which it can be mended."""
    form.add_error(_FIELDS.get(failed.name), failed.said)


def _lines(principal: Principal, steps: tuple[Step, ...], *, by_app: bool) -> list[dict[str, Any]]:
    """Give what is shown of every step, also of those that were not reached."""
    known = {step.name: step for step in steps}
    return [_line(principal, name, known.get(name)) for name in steps_of(app=by_app)]


def _line(principal: Principal, name: StepName, step: Step | None) -> dict[str, Any]:
    told = {"name": name, "title": TITLES[name], "step": step, "organization": principal.organization}
    state = step.state if step else "waiting"
    return {"name": name, "state": state, "html": render_to_string("marketplaces/check_step.html", told)}
