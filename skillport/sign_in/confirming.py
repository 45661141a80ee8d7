"""The step-up: prove again who you are, the way you signed in, and go on where you were."""

from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from skillport.accounts.models import Method
from skillport.accounts.sessions import session_of
from skillport.database_clock import database_now
from skillport.sign_in.clients import GOOGLE, way_to
from skillport.sign_in.next_address import safe_next


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Lead to where this session can be confirmed: a form of our own, or the provider that vouched for it."""
    there = safe_next(request.GET.get("next"))
    session = session_of(request)
    signed_in = session.signed_in
    if not request.user.is_authenticated or signed_in is None:
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': there})}")
    if signed_in["method"] == Method.LOCAL:
        first, *_ = get_adapter(request).get_reauthentication_methods(request.user)
        return HttpResponseRedirect(f"{first['url']}?{urlencode({'next': there})}")
    if signed_in["method"] == Method.DEMO:
        if request.method == "POST":
            session.confirm(database_now())
            return HttpResponseRedirect(there)
        return render(request, "sign_in/confirm.html")
    provider = signed_in["connection_id"] or GOOGLE
    way = way_to(provider, confirm="1", next=there)
    return render(request, "sign_in/confirm.html", {"way": way, "provider": provider})
