"""The base of every error that a person or a client may see.

Each error is defined beside the function that raises it. Doors (REST, pages, MCP, the command line) translate
this base in one place each; nothing else is ever shown to a client.
"""

from collections.abc import Mapping
from typing import ClassVar


class SkillportError(Exception):
    """Something a caller can act on.

    `code` is stable and for machines; `status` is the HTTP status, with what `headers` belong to it; `message` is
    for people, says what to do next, and holds no secret and no identifier of another organization.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    headers: Mapping[str, str] = {}
    message: str = "This did not work."

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)

    def as_json(self) -> dict[str, dict[str, str]]:
        """Give the one shape in which every JSON door reports an error."""
        return {"error": {"code": self.code, "message": self.message}}


class NotFound(SkillportError):
    """What was asked for is not there, or is not the caller's to see: the same answer for both."""

    code = "not_found"
    status = 404
    message = "There is nothing here that you may see. Check the name, or ask an administrator of your organization."


class Unavailable(SkillportError):
    """The database does not answer."""

    code = "unavailable"
    status = 503
    headers = {"retry-after": "5"}
    message = "Skillport cannot reach its database. Try again in a few seconds."


class InternalError(SkillportError):
    """Nobody foresaw this."""

    code = "internal_error"
    status = 500
    message = (
        "Something went wrong inside Skillport. Try again; if it stays so, give the operator of this deployment the "
        "request id (X-Request-Id)."
    )
