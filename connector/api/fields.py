"""What the shapes of the REST API share: how one is read, and fields that several have."""

from typing import Any

from rest_framework import serializers

from skillport.principal import Role


def read(shape: type[serializers.Serializer[Any]], sent: Any) -> dict[str, Any]:
    """Give a request's body or query, checked against `shape`. Raises `ValidationError`."""
    asked = shape(data=sent)
    asked.is_valid(raise_exception=True)
    given: dict[str, Any] = asked.validated_data
    return given


class RoleField(serializers.ChoiceField):
    """A role by its name; read as a `Role`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(role, role.value) for role in Role], **kwargs)
