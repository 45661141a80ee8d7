"""What is raised when PostgreSQL does not answer."""

from typing import Final

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)
_ENDED: Final = ("08", "57P0")  # how its codes begin for a lost connection, and for a server that shuts down


def went_away(error: BaseException) -> bool:
    """Tell whether the connection is gone; of what `AWAY` names, a statement that waited too long is not that.

    Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
    """
    code = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, AWAY) and (code is None or code.startswith(_ENDED))
