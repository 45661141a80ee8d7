"""Who opens a websocket: a script with an API key, or a browser with its session."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from connector.credentials import Unauthenticated, principal_of_bearer, require
from skillport.organizations.credentials import principal_of_session
from skillport.principal import Door, Principal, Scope


def principal_of_socket(scope: Mapping[str, Any]) -> Principal:
    """Give who is at the other end of an ASGI scope that names its `organization`.

    Raises `Unauthenticated` or `ScopeMissing`.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    slug = scope["organization"]
    if header := headers.get(b"authorization"):
        principal = principal_of_bearer(header=header, slug=slug, door=Door.SOCKET)
        require(principal, Scope.SKILLS_READ)
        return principal
    # SECURITY: a browser sends its cookies with any page's socket, so only a page of ours may use them.
    if headers.get(b"origin") != settings.SITE_URL:
        raise Unauthenticated
    cookie = parse_cookie(headers.get(b"cookie", "")).get(settings.SESSION_COOKIE_NAME)
    found = principal_of_session(cookie=cookie, slug=slug, door=Door.SOCKET)
    if found is None:
        raise Unauthenticated
    return found
