"""How skills leave: credentials and bundles. Import models from here."""

from connector.models.api_key import ApiKey
from connector.models.bundle import Bundle
from connector.models.install_token import InstallToken

__all__ = ["ApiKey", "Bundle", "InstallToken"]
