"""Accepting an invitation: the link's secret is in its fragment, which no server sees until the person sends it."""

from typing import Final

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from skillport.accounts import sessions
from skillport.accounts.models import Method, User
from skillport.accounts.sessions import session_of
from skillport.errors import NotFound, SkillportError
from skillport.organizations.credentials import principal_of_session
from skillport.organizations.services.accepting import (
    accept_invitation,
    digest_of_invitation,
    look_up_invitation,
)
from skillport.principal import Door

_KEPT: Final = "skillport_invitation"


class Code(forms.Form):
    code = forms.CharField(label="Invitation code", max_length=200)


class SignInAgain(SkillportError):
    code = "sign_in_again"
    status = 409
    message = (
        "The organization that invites you does not accept the way in which you are signed in. Nothing was accepted yet: "
        "sign in with one of the ways that the invitation offers."
    )


@require_http_methods(["GET", "HEAD", "POST"])
def invitation_page(request: HttpRequest) -> HttpResponse:
    """Take the code (a script moves it out of the link's fragment), and show who invites whom as what."""
    form = Code(request.POST or None)
    if request.method == "POST" and form.is_valid():
        digest = digest_of_invitation(form.cleaned_data["code"].strip())
        look_up_invitation(digest=digest)
        session_of(request)[_KEPT] = digest.hex()
        return HttpResponseRedirect(reverse("invitation"))
    kept = session_of(request).get(_KEPT, "")
    if not kept or request.method == "POST":
        return render(request, "sign_in/invitation_code.html", {"form": form})
    invitation = look_up_invitation(digest=bytes.fromhex(kept))
    told = {"invitation": invitation, "acceptable": _vouched_for_everybody(request)}
    return render(request, "sign_in/invitation.html", told)


@require_POST
def accept(request: HttpRequest) -> HttpResponse:
    """Accept as the person who is signed in, and who has just been shown as whom."""
    kept = session_of(request).get(_KEPT, "")
    user = request.user
    if not kept or not isinstance(user, User):
        raise NotFound
    if not _vouched_for_everybody(request):
        raise SignInAgain
    cookie = session_of(request).session_key or ""
    digest = bytes.fromhex(kept)
    slug = look_up_invitation(digest=digest).organization_slug
    with transaction.atomic():
        accept_invitation(digest=digest, user_id=user.pk, begun_in_session=sessions.digest(cookie))
        # The organization may not accept how this session was signed in: then nothing was accepted.
        if principal_of_session(cookie=cookie, slug=slug, door=Door.PAGE) is None:
            raise SignInAgain
    del session_of(request)[_KEPT]
    return HttpResponseRedirect(f"/{slug}/")


def remembered_invitation(request: HttpRequest, slug: str) -> bytes:
    """Give the digest of the invitation to this organization that the browser has shown, or b''."""
    kept = session_of(request).get(_KEPT, "")
    if not kept or not slug:
        return b""
    digest = bytes.fromhex(kept)
    try:
        invitation = look_up_invitation(digest=digest)
    except SkillportError:
        return b""
    return digest if invitation.organization_slug == slug else b""


def _vouched_for_everybody(request: HttpRequest) -> bool:
    """Tell whether whoever vouched for this session may do so in any organization: another one's provider may not."""
    signed_in = session_of(request).signed_in
    return (
        request.user.is_authenticated
        and signed_in is not None
        and signed_in["method"] in {Method.GOOGLE, Method.LOCAL, Method.DEMO}
    )
