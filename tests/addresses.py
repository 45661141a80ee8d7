"""Where the test database is, for processes that tests start."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


def application_url(here: Mapping[str, Any]) -> str:
    """Give the address of the test database as the application role. `here` is Django's dictionary for it."""
    query = urlencode(
        {part: here[part.upper()] for part in ("host", "port", "password") if here[part.upper()]}
    )
    return f"postgresql://{here['USER']}@/{here['NAME']}?{query}"
