"""`/livez` and `/readyz`: what a platform asks, by address and over plain http.

Answered beside Django, which knows one host name and sends plain http away, and however busy the pages are.
"""

from django.db import connection

from skillport.database_threads import in_database_thread
from skillport.envelope import Scope, Send, send_json
from skillport.errors import SkillportError


class OnlyGet(SkillportError):
    code = "method_not_allowed"
    status = 405
    headers = {"allow": "GET, HEAD"}
    message = "Send GET to this address."


async def probe(scope: Scope, send: Send) -> None:
    """Tell whether the process lives, or whether it can serve: that needs the database, and nothing else.

    Raises `OnlyGet`.
    """
    if scope["method"] not in {"GET", "HEAD"}:
        raise OnlyGet
    if scope["path"] == "/livez":
        await send_json(send, 200, {"alive": True})
    else:
        await in_database_thread(_ask)
        await send_json(send, 200, {"ready": True})


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
