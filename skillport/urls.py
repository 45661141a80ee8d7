"""Every address that Django answers. What organizations have comes last, below their slug."""

from django.urls import include, path, register_converter

from skillport.organizations.converters import OrganizationSlug
from skillport.views import favicon, robots, sse_is_gone

register_converter(OrganizationSlug, "org")

handler400 = "skillport.error_pages.bad_request"
handler403 = "skillport.error_pages.forbidden"
handler404 = "skillport.error_pages.not_found"
handler500 = "skillport.error_pages.failed"

urlpatterns = [
    path("robots.txt", robots),
    path("favicon.ico", favicon),
    path("sse", sse_is_gone),
    path("", include("skillport.sign_in.urls")),
    path("", include("skillport.organizations.urls")),
    path("", include("marketplaces.urls")),
    path("", include("connector.urls")),
]
