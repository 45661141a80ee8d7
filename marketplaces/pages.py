"""Pages of what an organization publishes: its catalog, and founding one that can."""

from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from marketplaces.services.catalog import list_skills
from marketplaces.services.founding import found_organization
from skillport.accounts import sessions
from skillport.accounts.models import Method, User
from skillport.organizations.doors import member_page, show
from skillport.organizations.pages.posting import done, refusals_in
from skillport.organizations.services.members import names_of_administrators
from skillport.organizations.services.organizations import require_founder
from skillport.principal import Principal

_LONGEST_QUERY: Final = 200


class FoundingForm(forms.Form):
    name = forms.CharField(max_length=200, help_text="Your company or your team, as its people call it.")
    slug = forms.CharField(
        label="Short name for addresses",
        max_length=40,
        required=False,
        widget=forms.TextInput({"data-from": "id_name", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        example = f"{settings.SITE_URL}/acme"
        told = f"As in {example}. It never changes, because every client stores it. Leave it empty for a suggestion."
        self.fields["slug"].help_text = told


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Create an organization, whose owner is who asks; the session at hand counts in it at once."""
    user, session = cast("User", request.user), sessions.session_of(request)
    method = session.signed_in["method"] if session.signed_in else ""
    require_founder(user, method=method)
    form = FoundingForm(request.POST or None)
    if form.is_valid():
        with refusals_in(form, "slug"):
            organization = found_organization(
                name=form.cleaned_data["name"],
                slug=form.cleaned_data["slug"],
                owner=user,
                begun_in_session=sessions.digest(request.COOKIES[settings.SESSION_COOKIE_NAME]),
                accepts_google=method == Method.GOOGLE,
            )
            return done(request, f"{organization.name} is there, and you own it.", f"/{organization.slug}/")
    return render(
        request,
        "marketplaces/new.html",
        {"form": form, "person": str(user)},
        status=422 if form.errors else 200,
    )


@member_page
@require_safe
def catalog(request: HttpRequest, principal: Principal) -> HttpResponse:
    """List the skills that the caller may use, a page at a time."""
    query = request.GET.get("q", "")[:_LONGEST_QUERY]
    page = list_skills(principal=principal, query=query, cursor=request.GET.get("after", ""))
    return show(
        request, principal, "marketplaces/catalog.html", section="catalog", query=query, page=page,
        helpers=[] if page.skills else names_of_administrators(principal=principal),
        connector=f"{settings.SITE_URL}/{principal.organization.slug}/mcp",
    )  # fmt: skip
