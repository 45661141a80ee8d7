"""Pages of the settings about a repository's webhook: register it, add it by hand, give it another secret."""

from functools import partial
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from marketplaces.services import bound, webhook_setup
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

_AT = "marketplaces/"


class SecretForm(forms.Form):
    signing_token_secret = forms.CharField(
        label="Signing token that GitLab made",
        required=False,
        max_length=200,
        widget=forms.PasswordInput({"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Begins with whsec_. Empty makes a new secret, which is shown once.",
    )
    at_once = forms.BooleanField(
        label="The secret so far stops working at once",
        required=False,
        help_text="Otherwise it is good for a day more, until the git host has the new one.",
    )


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """Say how to add the webhook by hand, and replace its secret: a new one is shown in this answer and never again."""
    repository = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    form, made = SecretForm(request.POST or None), None
    if form.is_valid():
        with refusals_in(form, "signing_token_secret"):
            made = webhook_setup.replace_secret(
                principal=principal, marketplace_id=marketplace_id, **form.cleaned_data
            )
    if made is not None and not made.webhook_secret:
        return done(
            request,
            "Deliveries signed with it count from now on.",
            address_of(principal, "repository", marketplace_id),
        )
    return show_settings(
        request, principal, "marketplaces/webhook.html", at=_AT,
        heading="The new secret" if made else "Webhook", repository=repository, form=form, made=made,
        by_hand=webhook_setup.by_hand(principal=principal, marketplace_id=marketplace_id),
    )  # fmt: skip


@member_page
@require_POST
def register(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(webhook_setup.register_webhook, principal=principal, marketplace_id=marketplace_id)
    said = "The webhook is registered. Pushes arrive within seconds from now on."
    return press(request, act, said=said, to=address_of(principal, "repository", marketplace_id))
