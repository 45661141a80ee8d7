"""Pages on which an administrator chooses what a bound repository serves: settings, pause, pinned commit, deletion."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from marketplaces.repository_forms import PLAIN, ProviderField
from marketplaces.services import bound, changing, pinning
from skillport.organizations.doors import member_page, needs
from skillport.organizations.pages.navigation import address_of, show_settings
from skillport.organizations.pages.posting import done, press, refusals_in
from skillport.permissions import Permission
from skillport.principal import Principal

_AT = "marketplaces/"
_POLLS = [(seconds, bound.looks(seconds)) for seconds in (60, 300, 600, 3600, 86_400, 0)]


class SettingsForm(forms.Form):
    branch = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(PLAIN),
        help_text="Empty follows the repository's default branch.",
    )
    folder = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(PLAIN),
        help_text="Where the marketplace lies in the repository, for example tools/claude. Empty takes its root.",
    )
    poll_seconds = forms.TypedChoiceField(
        label="Look for new commits",
        coerce=int,
        help_text="With a webhook, new commits arrive at once; this is for the deliveries that get lost.",
    )
    keep_days = forms.IntegerField(
        label="Keep earlier snapshots for days",
        min_value=0,
        max_value=changing.LONGEST_KEPT_DAYS,
        help_text="So long you can go back to what was served before.",
    )
    provider = ProviderField()

    def __init__(self, *args: Any, poll_seconds: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = [] if poll_seconds in dict(_POLLS) else [(poll_seconds, bound.looks(poll_seconds))]
        self.fields["poll_seconds"].choices = [*_POLLS, *chosen]  # type: ignore[attr-defined]


class PinForm(forms.Form):
    commit = forms.CharField(
        label="Id of the commit",
        max_length=64,
        widget=forms.TextInput(PLAIN),
        help_text="All 40 digits. The branch is not followed until you say so.",
    )


class DeleteForm(forms.Form):
    def __init__(self, slug: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirmation"] = forms.CharField(
            label=f"Type {slug} to say that you mean it", widget=forms.TextInput(PLAIN)
        )


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    now = {name: getattr(found, name) for name in ("branch", "folder", "poll_seconds", "keep_days")}
    now["provider"] = found.provider if found.provider_chosen else ""
    form = SettingsForm(request.POST or None, initial=now, poll_seconds=found.poll_seconds)
    if form.is_valid():
        with refusals_in(form):
            begun = changing.change_settings(
                principal=principal, marketplace_id=marketplace_id, **form.cleaned_data
            )
            said = "Saved. A sync is on its way; members keep what they have until it has succeeded."
            return done(
                request, said if begun else "Saved.", address_of(principal, "repository", marketplace_id)
            )
    return show_settings(
        request, principal, "marketplaces/repository_form.html", at=_AT, heading="Settings", form=form,
        button="Save", repository=found,
    )  # fmt: skip


@member_page
@require_POST
def pause(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(changing.pause_syncs, principal=principal, marketplace_id=marketplace_id)
    said = "Syncs are paused. Members keep what they have."
    return press(request, act, said=said, to=address_of(principal, "repository", marketplace_id))


@member_page
@require_POST
def resume(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(changing.resume_syncs, principal=principal, marketplace_id=marketplace_id)
    return press(
        request, act, said="A sync is on its way.", to=address_of(principal, "repository", marketplace_id)
    )


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def pin(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """Choose the commit to stay with by its id."""
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    form = PinForm(request.POST or None)
    if form.is_valid():
        with refusals_in(form, "commit"):
            begun = pinning.pin_commit(
                principal=principal, marketplace_id=marketplace_id, **form.cleaned_data
            )
            said = (
                "A sync that brings this commit is on its way."
                if begun
                else "Members get this commit as soon as it is here."
            )
            return done(request, said, address_of(principal, "repository", marketplace_id))
    return show_settings(
        request, principal, "marketplaces/repository_form.html", at=_AT, heading="Pin another commit", form=form,
        button="Pin to it", repository=found,
    )  # fmt: skip


@member_page
@require_POST
def serve(request: HttpRequest, principal: Principal, marketplace_id: UUID, number: int) -> HttpResponse:
    act = partial(pinning.serve_snapshot, principal=principal, marketplace_id=marketplace_id, number=number)
    return press(
        request, act, said="It is served now.", to=address_of(principal, "repository", marketplace_id)
    )


@member_page
@require_POST
def unpin(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(pinning.unpin, principal=principal, marketplace_id=marketplace_id)
    return press(
        request, act, said="A sync is on its way.", to=address_of(principal, "repository", marketplace_id)
    )


@member_page
@needs(Permission.MARKETPLACES_MANAGE, confirmed=True)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    """Stop serving it and delete it in a week, once its name was typed."""
    found = bound.get_marketplace(principal=principal, marketplace_id=marketplace_id)
    form = DeleteForm(found.slug, request.POST or None)
    if form.is_valid():
        with refusals_in(form, "confirmation"):
            changing.delete_marketplace(
                principal=principal, marketplace_id=marketplace_id, **form.cleaned_data
            )
            return done(
                request,
                "Nothing of it is served any more.",
                address_of(principal, "repository", marketplace_id),
            )
    return show_settings(
        request, principal, "marketplaces/repository_delete.html", at=_AT, heading=f"Delete {found.slug}?",
        form=form, repository=found,
    )  # fmt: skip


@member_page
@require_POST
def keep(request: HttpRequest, principal: Principal, marketplace_id: UUID) -> HttpResponse:
    act = partial(changing.keep_marketplace, principal=principal, marketplace_id=marketplace_id)
    return press(
        request, act, said="It is served again.", to=address_of(principal, "repository", marketplace_id)
    )
