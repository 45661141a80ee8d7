"""Where somebody goes after signing in or confirming: a page of our own, whatever the address asked for."""

import re
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 2000
HOME: Final = "/"
# What RFC 3986 lets a path and a query be made of, which leaves out backslashes, spaces, control characters and
# everything beyond ASCII: each of these makes some browser or library read another address than we checked.
_OF_A_PATH: Final = re.compile(
    r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?", re.ASCII
)


def safe_next(text: str | None) -> str:
    """Give `text` when it is a path on our own site, with its query or without; else the home page."""
    if not text or len(text) > LONGEST or not _OF_A_PATH.fullmatch(text):
        return HOME
    return text if _stays_here(text.partition("?")[0]) else HOME


def _stays_here(path: str) -> bool:
    """Tell whether the path, however often something on the way decodes it, names neither a host nor a way up."""
    while (decoded := unquote(path)) != path:
        path = decoded
    segments = path.split("/")[1:]
    return (
        path.isprintable()
        and "\\" not in path
        and "" not in segments[:-1]
        and not {".", ".."} & set(segments)
    )
