from django.apps import AppConfig


class ConnectorConfig(AppConfig):
    name = "connector"

    def ready(self) -> None:
        # Registers itself with drf-spectacular by being imported.
        from connector.api import schema  # noqa: F401
