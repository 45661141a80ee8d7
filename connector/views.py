"""What the connector serves beside the API: the installer."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

_INSTALLER = Path(__file__).parent / "install" / "scripts" / "install.sh"


@require_safe
def install_script(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 the same for everybody
    return HttpResponse(_installer(), content_type="text/x-shellscript; charset=utf-8")


@lru_cache(maxsize=1)
def _installer() -> str:
    """Give the installer for this deployment. SITE_URL was checked at start: it holds nothing that a shell reads."""
    return _INSTALLER.read_text().replace("@SITE_URL@", settings.SITE_URL)
