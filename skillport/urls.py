"""Every address that Django answers. What organizations have comes last, below their slug."""

from django.urls import include, path, register_converter

from skillport.organizations.converters import OrganizationSlug
from skillport.views import favicon, home, livez, readyz, robots, sse_is_gone

register_converter(OrganizationSlug, "org")

urlpatterns = [
    path("", home),
    path("livez", livez),
    path("readyz", readyz),
    path("robots.txt", robots),
    path("favicon.ico", favicon),
    path("sse", sse_is_gone),
    path("", include("marketplaces.urls")),
    path("", include("connector.urls")),
]
