"""What OpenAPI says of our authentication."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "connector.api.authentication.BearerAuthentication"
    name = "api_key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 spectacular's signature
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of the organization in the address.",
        }
