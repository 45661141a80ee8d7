"""Skillport's own settings, for tests and type checks.

Without DATABASE_URL the tests bring their own PostgreSQL: its address is known before it is started.
"""

import os
from pathlib import Path

from skillport.embedded.postgres import ACROSS, APP, OWNER, EmbeddedPostgres

os.environ.setdefault("SITE_URL", "http://127.0.0.1:8765")
os.environ.setdefault("SECRET_KEY", "for-tests-only-" * 5)
os.environ.setdefault("SKILLPORT_ENCRYPTION_KEYS", "test:" + "A" * 43 + "=")
os.environ.setdefault("SKILLPORT_LOG_FORMAT", "console")
os.environ.setdefault("SKILLPORT_LOG_LEVEL", "ERROR")

EMBEDDED_POSTGRES = None
if "DATABASE_URL" not in os.environ:
    process = os.environ.get("PYTEST_XDIST_WORKER", "main")
    EMBEDDED_POSTGRES = EmbeddedPostgres(Path(__file__).parents[1] / ".skillport" / "tests" / process, durable=False)
    os.environ["DATABASE_URL"] = EMBEDDED_POSTGRES.url(APP, "skillport")
    os.environ["DATABASE_OWNER_URL"] = EMBEDDED_POSTGRES.url(OWNER, "skillport")
    os.environ["DATABASE_ACROSS_ROLE"] = ACROSS

from skillport.settings import *  # noqa: E402, F403 the environment comes first
