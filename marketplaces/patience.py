"""Which requests wait for somebody's git host, so that the entry point lets them wait beside the others."""

import re
from typing import Final

from skillport.organizations.slugs import SLUG_PATTERN

ASKING_AT_ONCE: Final = 4  # in one process: each may run git, and lasts up to a minute
# Checking, binding, another credential, another address, the webhook: on pages and over REST.
_ASKS: Final = re.compile(
    rf"/{SLUG_PATTERN}/(settings|api/v1)/marketplaces(/(check|bind)|/[0-9a-f-]{{36}}/(credential|move|moved|webhook/register|webhook/registration))?/?",
    re.ASCII,
)


def asks_a_git_host(method: str, path: str) -> bool:
    """Tell whether Django will ask a git host, and wait for it, before it answers."""
    return method in {"POST", "PUT"} and _ASKS.fullmatch(path) is not None
