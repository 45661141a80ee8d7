"""OpenAPI: its address, and what it says of our authentication and of our errors."""

import threading
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_ONE_AT_A_TIME: Final = threading.Lock()


class Schema(SpectacularJSONAPIView):
    """The API's description. The generator loads its extensions when it first runs, and two at once break each other."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with _ONE_AT_A_TIME:
            response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
            return response


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "connector.api.authentication.BearerAuthentication"
    name = "api_key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 spectacular's signature
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of the organization in the address.",
        }


def describe_errors(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Add to every operation what it answers when it refuses: one shape for all statuses (`errors.py`)."""
    text = {"type": "string"}
    shape = {"type": "object", "required": ["code", "message"], "properties": {"code": text, "message": text}}
    error = {"type": "object", "required": ["error"], "properties": {"error": shape}}
    result["components"].setdefault("schemas", {})["Error"] = error
    refused = {
        "description": "Refused: a code for machines, and a sentence that says what to do.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for address in result["paths"].values():
        for operation in address.values():
            operation["responses"]["default"] = refused
    return result
