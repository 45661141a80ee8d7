"""Skillport's own settings, with an environment that tests and type checks can rely on."""

import os

os.environ.setdefault("SITE_URL", "http://127.0.0.1:8000")
os.environ.setdefault("SECRET_KEY", "for-tests-only-" * 5)
os.environ.setdefault("SKILLPORT_ENCRYPTION_KEYS", "test:" + "A" * 43 + "=")
os.environ.setdefault("DATABASE_URL", "postgresql://skillport_app@/skillport?host=/nowhere")
os.environ.setdefault("SKILLPORT_LOG_FORMAT", "console")

from skillport.settings import *  # noqa: E402, F403 the environment comes first
