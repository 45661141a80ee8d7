"""Domains: claim one, prove it by a record in the DNS, let go of it."""

from functools import partial
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, settings_address, show_settings
from skillport.organizations.pages.posting import ask_once, done, press, refusals_in
from skillport.organizations.services.domains import (
    LONGEST_DOMAIN,
    claim_domain,
    get_domain,
    list_domains,
    release_domain,
    verify_domain,
)
from skillport.permissions import Permission
from skillport.principal import Principal


class DomainForm(forms.Form):
    domain = forms.CharField(
        max_length=LONGEST_DOMAIN,
        help_text="What stands behind the @ of your mail addresses, as in acme.com.",
    )


@member_page
@require_safe
def domains(request: HttpRequest, principal: Principal) -> HttpResponse:
    found = list_domains(principal=principal)
    return show_settings(
        request,
        principal,
        "organizations/domains.html",
        at="sign-in/domains/",
        heading="Domains",
        domains=found,
    )


@member_page
@needs(Permission.SIGN_IN_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def claim(request: HttpRequest, principal: Principal) -> HttpResponse:
    form = DomainForm(request.POST or None)
    if form.is_valid():
        with refusals_in(form, "domain"):
            made = claim_domain(principal=principal, domain=form.cleaned_data["domain"], now=timezone.now())
            return done(request, "Now prove that it is yours.", address_of(principal, "domain", made.id))
    return show_settings(
        request, principal, "settings_form.html", at="sign-in/domains/", heading="Add a domain", form=form,
        button="Add domain",
    )  # fmt: skip


@member_page
@require_safe
def domain(request: HttpRequest, principal: Principal, domain_id: UUID) -> HttpResponse:
    found = get_domain(principal=principal, domain_id=domain_id)
    return show_settings(
        request,
        principal,
        "organizations/domain.html",
        at="sign-in/domains/",
        heading=found.domain,
        domain=found,
    )


@member_page
@require_POST
def verify(request: HttpRequest, principal: Principal, domain_id: UUID) -> HttpResponse:
    """Look into the DNS now."""
    act = partial(verify_domain, principal=principal, domain_id=domain_id, now=timezone.now())
    return press(
        request,
        act,
        said="The record is there: the domain is yours.",
        to=address_of(principal, "domain", domain_id),
    )


@member_page
@require_http_methods(["GET", "HEAD", "POST"])
def release(request: HttpRequest, principal: Principal, domain_id: UUID) -> HttpResponse:
    """Ask once, then let go of it."""
    found = get_domain(principal=principal, domain_id=domain_id)
    act = partial(release_domain, principal=principal, domain_id=domain_id, now=timezone.now())
    return ask_once(
        request, principal, "organizations/domain_release.html", act, at="sign-in/domains/",
        button=f"Release {found.domain}", said=f"{found.domain} is not yours here any more.",
        to=settings_address(principal, "sign-in/domains/"), back=address_of(principal, "domain", domain_id), domain=found,
    )  # fmt: skip
