"""Skillport's own settings, for tests and type checks.

Without DATABASE_URL the tests bring their own PostgreSQL: its address is known before it is started. So are the
addresses of the server and of the git host, which settings name.
"""

import fcntl
import itertools
import os
from pathlib import Path
from typing import IO

from skillport.embedded.postgres import ACROSS, APP, OWNER, EmbeddedPostgres
from tests.ports import claim_ports


def _own_folder() -> tuple[Path, IO[str]]:
    """Take the first folder that no other test process has, until this one ends: database, copies and all lie there."""
    for number in itertools.count():
        folder = Path(__file__).parents[1] / ".skillport" / "tests" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        taken = (folder / "taken").open("w")
        try:
            fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            taken.close()
        else:
            return folder, taken
    raise AssertionError


FOLDER, _TAKEN = _own_folder()
NAME_SERVER_PORT, SERVER_PORT, GIT_HOST_PORT, OPENID_PORT = (claim_ports() for _ in range(4))
OPENID_ORIGIN = f"http://127.0.0.1:{OPENID_PORT}"

if "REDIS_URL" in os.environ:  # the services tier: a database of its own for each test process, from 8 on
    number = 8 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{number}"
os.environ["SITE_URL"] = f"http://127.0.0.1:{SERVER_PORT}"
os.environ["SKILLPORT_DNS_SERVERS"] = f"127.0.0.1:{NAME_SERVER_PORT}"
os.environ["SKILLPORT_OUTBOUND_ALLOW"] = f"http://127.0.0.1:{GIT_HOST_PORT} {OPENID_ORIGIN}"
os.environ["GOOGLE_CLIENT_ID"], os.environ["GOOGLE_CLIENT_SECRET"] = "google-client", "google-secret"
os.environ["GOOGLE_ISSUER"], os.environ["ENTRA_HOST"] = f"{OPENID_ORIGIN}/google", f"{OPENID_ORIGIN}/entra"
os.environ["SKILLPORT_DATA"] = str(FOLDER / "data")
os.environ["SECRET_KEY"] = "for-tests-only-" * 5
os.environ["SKILLPORT_ENCRYPTION_KEYS"] = "test:" + "A" * 43 + "="
os.environ.setdefault("SKILLPORT_LOG_FORMAT", "console")
os.environ.setdefault("SKILLPORT_LOG_LEVEL", "ERROR")

EMBEDDED_POSTGRES = None
if "DATABASE_URL" not in os.environ or os.environ.get("SKILLPORT_TESTS_EMBED"):
    os.environ["SKILLPORT_TESTS_EMBED"] = "yes"  # for parallel test processes, which inherit this environment
    EMBEDDED_POSTGRES = EmbeddedPostgres(FOLDER, durable=False)
    os.environ["DATABASE_URL"] = EMBEDDED_POSTGRES.url(APP, "skillport")
    os.environ["DATABASE_OWNER_URL"] = EMBEDDED_POSTGRES.url(OWNER, "skillport")
    os.environ["DATABASE_ACROSS_ROLE"] = ACROSS

from skillport.settings import *  # noqa: E402, F403 the environment comes first
