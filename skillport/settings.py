"""One settings file for every way of running; what differs comes from the environment (`env.py`)."""

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from skillport.env import read_environment
from skillport.logs import logging_configuration

ENVIRONMENT = read_environment()

BASE_DIR = Path(__file__).resolve().parent.parent
SITE_URL = ENVIRONMENT.site_url
SECRET_KEY = ENVIRONMENT.secret_key.get_secret_value()
KEY_RING = ENVIRONMENT.key_ring
DATA_DIRECTORY = ENVIRONMENT.data_directory.absolute()
WORKER_NAME = ENVIRONMENT.worker_name
OUTBOUND_ALLOWED_ORIGINS = ENVIRONMENT.outbound_allow

DEBUG = False
# Every address that a client stores is built from SITE_URL; a request for any other host is refused.
ALLOWED_HOSTS = [urlsplit(SITE_URL).hostname or ""]

INSTALLED_APPS = [
    "skillport",
    "skillport.accounts",
    "skillport.organizations",
    "skillport.audit",
    "marketplaces",
    "connector",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "channels",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "skillport.urls"
ASGI_APPLICATION = "skillport.asgi.application"
APPEND_SLASH = False  # no address is answered by a redirect to a similar one
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "skillport" / "templates"],
        "APP_DIRS": True,
    }
]

# --- database ---------------------------------------------------------------------------------------------------------


def _database(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    # The pool's connections outlive a request, so nothing may be set on a session: only inside transactions.
    options = {
        "pool": {"min_size": 0, "max_size": ENVIRONMENT.database_connections, "max_idle": 60, "timeout": 30},
        "options": "-c statement_timeout=5s -c lock_timeout=4s -c idle_in_transaction_session_timeout=60s",
    }
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_HEALTH_CHECKS": True,  # a restart of PostgreSQL leaves the pool full of dead connections
        **{key: parts.pop(part, "") for key, part in named.items()},
        "OPTIONS": {**options, **parts},
    }


DATABASES = {"default": _database(ENVIRONMENT.database_url.get_secret_value())}
DATABASE_OWNER_URL = ENVIRONMENT.database_owner_url
DATABASE_APP_ROLE = DATABASES["default"]["USER"]
DATABASE_ACROSS_ROLE = ENVIRONMENT.across_role
DATABASE_CONNECTIONS = ENVIRONMENT.database_connections
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"

# --- browsers ---------------------------------------------------------------------------------------------------------

_HTTPS = SITE_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = [
    r"^livez$",
    r"^readyz$",
]  # asked by the platform, over plain http inside the cluster
X_FRAME_OPTIONS = "DENY"

# --- background work and live progress --------------------------------------------------------------------------------

REDIS_URL = ENVIRONMENT.redis_url.get_secret_value() if ENVIRONMENT.redis_url else None
_WAIT_SECONDS = (
    2  # a frozen Redis must not hold a request: rows in Postgres are the queue, a message only a hint
)
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_timeout": _WAIT_SECONDS, "socket_connect_timeout": _WAIT_SECONDS, "max_retries": 1}
    if REDIS_URL
    else {}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "hint at waiting sync runs": {"task": "marketplaces.tasks.sweep_sync_runs", "schedule": 30.0},
    "look for new commits": {"task": "marketplaces.tasks.poll_marketplaces", "schedule": 60.0},
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "skillport.embedded.channel_layer.ThreadSafeInMemoryChannelLayer"}
}

# --- REST -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["connector.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["connector.api.authentication.IsPrincipal"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "connector.api.errors.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Skillport",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["connector.api.authentication.IsPrincipal"],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# --- language, files, logs --------------------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # where `collectstatic` was not run, files come from the packages
warnings.filterwarnings("ignore", message="No directory at", module="whitenoise|django")
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_configuration(style=ENVIRONMENT.log_format, level=ENVIRONMENT.log_level)
