"""The one place where pages turn errors into answers: what happened, what still works, what to do.

What fails outside any view, or in none that is there, ends here too: as a page, or as JSON where programs ask.
"""

import re
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string

from skillport.database_away import AWAY
from skillport.errors import InternalError, NotFound, SkillportError, Unavailable
from skillport.logs import request_id
from skillport.permissions import StepUpRequired

# Where programs ask: REST, the installer, git hosts.
_FOR_PROGRAMS: Final = re.compile(r"/(?:[^/]+/)?api(?:/|$)|/hooks(?:/|$)|/install\.")
_TITLES: Final = {
    403: "This is not for you to do",
    404: "This page is not here, or not for you",
    409: "This does not fit together",
    410: "This is over",
    502: "The other side does not answer",
}


class ErrorPages:
    """Middleware for pages; REST, MCP and webhooks translate their own errors before it sees them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, StepUpRequired):
            # What was typed is not kept: the form is shown again after the step-up.
            back = request.path if request.method == "GET" else _origin_of_form(request)
            return HttpResponseRedirect(f"/accounts/confirm?{urlencode({'next': back})}")
        if isinstance(error, SkillportError):
            return error_page(request, error)
        return None


def error_page(request: HttpRequest, error: SkillportError) -> HttpResponse:
    """Show an error in the frame of every page, without a word about anything inside."""
    title = _TITLES.get(error.status, HTTPStatus(error.status).phrase)
    told = {"title": title, "message": error.message, "code": error.code}
    if isinstance(error, InternalError):
        told["request_id"] = request_id.get()  # a browser shows nobody the header
    # When Skillport itself fails, nothing is asked about who is looking: that may be what fails.
    page = render_to_string("error.html", told, request if error.status < 500 else None)
    return HttpResponse(page, status=error.status, headers=error.headers)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 Django's signature
    """Answer what no address matches exactly as what exists and is not the caller's."""
    return _outside_views(request, NotFound())


class BadRequest(SkillportError):
    code = "bad_request"
    status = 400
    message = "Skillport does not understand this request. Go back and try again."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 Django's signature
    return _outside_views(request, BadRequest())


class Refused(SkillportError):
    code = "refused"
    status = 403
    message = "Skillport refuses this request. Go back, load the page again, and repeat it."


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 Django's signature
    return _outside_views(request, Refused())


def failed(request: HttpRequest) -> HttpResponse:
    """Answer what nobody caught. Django calls this while it handles the error, which it has logged."""
    away = isinstance(sys.exc_info()[1], AWAY)
    return _outside_views(request, Unavailable() if away else InternalError())


def _outside_views(request: HttpRequest, error: SkillportError) -> HttpResponse:
    if _FOR_PROGRAMS.match(request.path):
        return JsonResponse(error.as_json(), status=error.status, headers=error.headers)
    return error_page(request, error)


class FormStale(SkillportError):
    code = "form_stale"
    status = 403
    message = "This form was open for too long, or came from another site. Go back, load the page again, and repeat it."


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 Django's signature
    return error_page(request, FormStale())


def _origin_of_form(request: HttpRequest) -> str:
    """Give the page of ours that the form was on, so that the person comes back to it."""
    referer = request.headers.get("Referer", "")
    return referer.removeprefix(settings.SITE_URL) if referer.startswith(f"{settings.SITE_URL}/") else "/"
