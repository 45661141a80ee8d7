"""The deployment's own few pages and probes."""

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"site_url": settings.SITE_URL})


@require_safe
def livez(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 says only that the process answers
    return JsonResponse({"alive": True})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 the same for everybody
    """Tell whether requests can be served: that needs the database, and nothing else."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"ready": True})


@require_safe
def robots(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 the same for everybody
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 the same for everybody
    return HttpResponseRedirect(static("skillport/ship.svg"))


def sse_is_gone(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 the same for everybody
    """Tell a client of the original connector where to go: each organization has an address of its own."""
    message = f"This address is gone. Use {settings.SITE_URL}/<organization>/mcp, with your organization's name in it."
    return JsonResponse({"error": {"code": "gone", "message": message}}, status=410)
