"""The deployment's own few pages."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static
from django.views.decorators.http import require_safe


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
