"""The organization's name, and how long people stay signed in."""

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from skillport.organizations.doors import member_page, needs
from skillport.organizations.models.organization import LONGEST_SESSION_HOURS
from skillport.organizations.pages.navigation import show_settings
from skillport.organizations.pages.posting import done, refusals_in
from skillport.organizations.services.organizations import LONGEST_NAME, change_organization, get_organization
from skillport.permissions import Permission
from skillport.principal import Principal


class GeneralForm(forms.Form):
    name = forms.CharField(max_length=LONGEST_NAME, help_text="As people see it on every page.")
    session_hours = forms.IntegerField(
        label="Hours that a sign-in lasts",
        min_value=1,
        max_value=LONGEST_SESSION_HOURS,
        help_text=f"Then people sign in again. 12 is a working day; at most {LONGEST_SESSION_HOURS}, which is a week.",
    )


@member_page
@needs(Permission.ORGANIZATION_MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def general(request: HttpRequest, principal: Principal) -> HttpResponse:
    now = get_organization(principal=principal)
    form = GeneralForm(request.POST or None, initial={"name": now.name, "session_hours": now.session_hours})
    if form.is_valid():
        with refusals_in(form):
            change_organization(principal=principal, **form.cleaned_data)
            return done(request, "Saved.", request.path)
    return show_settings(
        request, principal, "organizations/general.html", at="general/", heading="General", form=form,
        address=f"{settings.SITE_URL}/{principal.organization.slug}/",
    )  # fmt: skip
