"""The door of pages: from a browser's session to a principal, before a view runs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from skillport.errors import NotFound
from skillport.organizations.credentials import principal_of_session
from skillport.organizations.services.belonging import organizations_of
from skillport.permissions import ALLOWED, Permission, require, require_step_up
from skillport.principal import Door, Principal

P = ParamSpec("P")


def member_page(
    view: Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Let members of the organization in the address through, as `view(request, principal, …)`.

    Who is not signed in is sent to sign in, whether the organization exists or not; who is signed in and does not
    belong here gets the page that says that nothing is here.
    """

    @wraps(view)
    def guarded(
        request: HttpRequest, organization: str, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        principal = principal_of_session(cookie=cookie, slug=organization, door=Door.PAGE)
        if principal is not None:
            return view(request, principal, *args, **kwargs)
        if request.user.is_authenticated:
            raise NotFound
        back = {"next": request.get_full_path()} if request.method in {"GET", "HEAD"} else {}
        return HttpResponseRedirect(f"/{organization}/sign-in" + (f"?{urlencode(back)}" if back else ""))

    return guarded


def needs(
    permission: Permission | None = None, *, confirmed: bool = False
) -> Callable[
    [Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase],
]:
    """Refuse a page to whom the services behind it would refuse its form, so that nobody types in vain.

    `confirmed`: sends who has not proved for ten minutes who they are to do that first. Raises `NotAllowed` or
    `StepUpRequired`.
    """

    def guard(
        view: Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase]:
        @wraps(view)
        def guarded(
            request: HttpRequest, principal: Principal, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            if permission is not None:
                require(principal, permission)
            if confirmed:
                require_step_up(principal, now=timezone.now())
            return view(request, principal, *args, **kwargs)

        return guarded

    return guard


def show(request: HttpRequest, principal: Principal, template: str, **context: Any) -> HttpResponse:
    """Render a page of the organization: templates see `principal`, and `may` has the names of what its role allows.

    A page whose `form` has errors is answered with 422.
    """
    belongings = organizations_of(
        user_id=principal.user_id, cookie=request.COOKIES[settings.SESSION_COOKIE_NAME]
    )
    form = context.get("form")
    status = 422 if form is not None and form.errors else 200
    told = {
        "principal": principal,
        "organization": principal.organization,
        "may": {permission.name for permission in ALLOWED[principal.role]},
        "belongings": belongings,
        "closing_at": next(
            (one.closing_at for one in belongings if one.slug == principal.organization.slug), None
        ),
        **context,
    }
    return render(request, template, told, status=status)
