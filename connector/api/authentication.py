"""Who calls the REST API: the same lookup as at every door."""

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from connector.credentials import Unauthenticated, principal_of_bearer
from skillport.principal import Door, Principal

if TYPE_CHECKING:  # REST framework loads this module while it makes its views
    from rest_framework.views import APIView


class BearerAuthentication(BaseAuthentication):
    """An API key of the organization in the address, as `Authorization: Bearer`."""

    def authenticate(self, request: Request) -> tuple[None, Principal]:
        slug = request.parser_context["kwargs"].get("organization", "")
        header = request.headers.get("Authorization", "")
        return None, principal_of_bearer(header=header, slug=slug, door=Door.API)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 REST framework's signature
        return 'Bearer realm="skillport"'


class IsPrincipal(BasePermission):
    """Nothing is answered to nobody."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 REST framework's signature
        if not isinstance(request.auth, Principal):
            raise Unauthenticated
        return True


def principal_of(request: Request) -> Principal:
    """Give who is calling; the permission class has made sure that somebody is."""
    assert isinstance(request.auth, Principal)  # noqa: S101 see above
    return request.auth
