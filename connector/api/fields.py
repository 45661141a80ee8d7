"""What the shapes of the REST API share: how one is read, and fields that several have."""

from typing import Any

from rest_framework import serializers

from marketplaces.providers.api import Kind
from skillport.principal import Role


def read(shape: type[serializers.Serializer[Any]], sent: Any) -> dict[str, Any]:
    """Give a request's body or query, checked against `shape`. Raises `ValidationError`."""
    asked = shape(data=sent)
    asked.is_valid(raise_exception=True)
    given: dict[str, Any] = asked.validated_data
    return given


class ProviderField(serializers.ChoiceField):
    """Whose API a git host has; empty lets Skillport ask the host. Read as a `Kind`."""

    def __init__(self, **kwargs: Any) -> None:
        told = {"required": False, "allow_blank": True, "default": Kind.NOT_ASKED, **kwargs}
        choices = [(kind, kind.value) for kind in Kind if kind]
        super().__init__(choices=choices, help_text="empty: found out by asking the host", **told)

    def to_internal_value(self, data: Any) -> Any:
        return Kind(super().to_internal_value(data))


class RoleField(serializers.ChoiceField):
    """A role by its name; read as a `Role`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(role, role.value) for role in Role], **kwargs)
