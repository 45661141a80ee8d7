"""One settings file for every way of running; what differs comes from the environment (`env.py`)."""

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

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
DNS_SERVERS = ENVIRONMENT.dns_servers
MOST_STORED_BYTES = ENVIRONMENT.most_stored_megabytes * 2**20
MOST_MARKETPLACES = ENVIRONMENT.most_marketplaces

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
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",  # so that its templates are found after ours
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "channels",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "skillport.static_files.StaticFiles",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "skillport.sign_in.middleware.OnlyWholeSessions",
    "skillport.sign_in.middleware.LastSeen",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "skillport.error_pages.ErrorPages",
]
ROOT_URLCONF = "skillport.urls"
ASGI_APPLICATION = "skillport.asgi.application"
APPEND_SLASH = False  # no address is answered by a redirect to a similar one
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "skillport" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.templatetags.static", "skillport.templatetags.pages"],
        },
    }
]
FORM_RENDERER = (
    "django.forms.renderers.TemplatesSetting"  # every form looks as `templates/django/forms/` says
)

# --- database ---------------------------------------------------------------------------------------------------------


_WAIT_FOR_DATABASE_SECONDS = 5


def _database(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    # The pool's connections outlive a request, so nothing may be set on a session: only inside transactions.
    # How long a statement may take is a setting of the role (`roles.py`).
    options = {
        "pool": {
            "min_size": 0,
            "max_size": ENVIRONMENT.database_connections,
            "max_idle": 60,
            # How long a request waits for a connection, and how soon after an outage the pool looks again: its own
            # pauses between two looks would grow to minutes.
            "timeout": _WAIT_FOR_DATABASE_SECONDS,
            "reconnect_timeout": _WAIT_FOR_DATABASE_SECONDS,
        },
        # A server that has vanished says nothing: the operating system has to notice.
        "connect_timeout": _WAIT_FOR_DATABASE_SECONDS,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 30,
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
# Holds what allauth counts: failed sign-ins, and codes that were used. In the database and not in Redis or the process,
# because signing in has to work while Redis is away, and limits have to hold for all processes together.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "skillport_cache",
        "OPTIONS": {
            "MAX_ENTRIES": 100_000
        },  # the oldest third goes then; few enough would let limits be flushed
    }
}

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["handle", "email", "name"]},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},  # NIST SP 800-63B-4, 3.1.1.2
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/sign-in"
LOGIN_REDIRECT_URL = "/"
GOOGLE_CLIENT_ID = ENVIRONMENT.google_client_id
GOOGLE_CLIENT_SECRET = (
    ENVIRONMENT.google_client_secret.get_secret_value() if ENVIRONMENT.google_client_secret else ""
)
GOOGLE_ISSUER = ENVIRONMENT.google_issuer
ENTRA_HOST = ENVIRONMENT.entra_host
LOCAL_ACCOUNTS = ENVIRONMENT.local_accounts
FOUNDERS = ENVIRONMENT.founders
# Lets anybody sign in as anybody. Only the demo sets it, and only while it listens on loopback (`sign_in/demo.py`).
DEMO_SIGN_IN = False

SESSION_ENGINE = "skillport.accounts.sessions"
SESSION_COOKIE_NAME = "skillport_session"
SESSION_COOKIE_AGE = 12 * 3600  # from sign-in on; organizations may shorten or lengthen it for themselves
SESSION_COOKIE_SAMESITE = "Lax"  # a provider's answer is a link from its host to ours
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "skillport_csrf"
CSRF_FAILURE_VIEW = "skillport.error_pages.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# allauth keeps local accounts, second factors, and the state and code exchange of OpenID. Who somebody is and where
# they belong is decided by `skillport/sign_in/`.
ACCOUNT_ADAPTER = "skillport.sign_in.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "handle"
ACCOUNT_EMAIL_VERIFICATION = "none"
# Wrong passwords and codes: for each address and for each account. Counted in the cache, for all processes together.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key", "reauthenticate": "10/m/user"}
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True  # how long a session lasts is not for a form to ask (`sign_in/signing_in.py`)
ACCOUNT_FORMS = {
    "login": "skillport.sign_in.forms.SignIn",
    "reauthenticate": "skillport.sign_in.forms.ConfirmByPassword",
    "change_password": "skillport.sign_in.forms.ChangePassword",
}
ACCOUNT_PRESERVE_USERNAME_CASING = False
ALLAUTH_TRUSTED_PROXY_COUNT = ENVIRONMENT.trusted_proxies
SOCIALACCOUNT_ADAPTER = "skillport.sign_in.adapters.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_QUERY_EMAIL = False
MFA_ADAPTER = "skillport.sign_in.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TOTP_ISSUER = "Skillport"
MFA_TOTP_TOLERANCE = (
    1  # steps of 30 seconds: a code is read, typed and sent meanwhile, by a clock that may be a little off
)
MFA_FORMS = {
    "authenticate": "skillport.sign_in.forms.SecondFactor",
    "reauthenticate": "skillport.sign_in.forms.ConfirmByCode",
    "activate_totp": "skillport.sign_in.forms.SetUpApp",
    "add_webauthn": "skillport.sign_in.forms.AddPasskey",
}

# --- mail -------------------------------------------------------------------------------------------------------------

_MAIL = urlsplit(ENVIRONMENT.email_url.get_secret_value() if ENVIRONMENT.email_url else "")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _MAIL.hostname else 'console'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _MAIL.hostname or "", _MAIL.port or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_MAIL.username or ""), unquote(_MAIL.password or "")
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.scheme == "smtp+tls", _MAIL.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.email_from

# --- browsers ---------------------------------------------------------------------------------------------------------

_HTTPS = SITE_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
X_FRAME_OPTIONS = "DENY"

# --- background work and live progress --------------------------------------------------------------------------------

REDIS_URL = ENVIRONMENT.redis_url.get_secret_value() if ENVIRONMENT.redis_url else None
_WAIT_SECONDS = 2  # for a frozen Redis: rows in Postgres are the queue, a message only a hint
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


def _every(seconds: int, task: str) -> dict[str, Any]:
    """Ask for a task again and again; while nobody works, what was asked for does not pile up."""
    return {"task": task, "schedule": float(seconds), "options": {"expires": max(seconds, 300)}}


CELERY_BEAT_SCHEDULE = {
    "hint at waiting sync runs": _every(30, "marketplaces.tasks.sweep_sync_runs"),
    "hint at waiting external sources": _every(30, "marketplaces.tasks.sweep_external_sources"),
    "look for new commits": _every(60, "marketplaces.tasks.poll_marketplaces"),
    "delete closed marketplaces": _every(3600, "marketplaces.tasks.delete_closed_marketplaces"),
    "ask when credentials end": _every(1800, "marketplaces.tasks.look_after_credentials"),
    "delete closed organizations": _every(3600, "skillport.organizations.tasks.delete_closed_organizations"),
    "forget ended sessions": _every(3600, "skillport.organizations.tasks.forget_sessions"),
    "collect what nothing reaches": _every(3600, "connector.tasks.collect_organizations"),
    "check verified domains": _every(3600, "skillport.organizations.tasks.check_domains"),
}
# The layer waits five seconds at a time for a message; the connection's own patience must be longer, or every
# websocket to which nothing happens for five seconds is cut off.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "skillport.redis_channel_layer.CancellableRedisChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}]},
    }
    if REDIS_URL
    else {"BACKEND": "skillport.embedded.channel_layer.ThreadSafeInMemoryChannelLayer"}
}

# --- REST -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["connector.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["connector.api.authentication.IsPrincipal"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["connector.api.json_only.Parser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "connector.api.json_only.Negotiation",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "connector.api.errors.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Skillport",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["connector.api.authentication.IsPrincipal"],
    "ENUM_NAME_OVERRIDES": {
        "Role": "skillport.principal.Role",
        "DomainState": "skillport.organizations.services.domains.State",
        "InvitationState": "skillport.organizations.services.invitations.State",
        "ConnectionKind": "skillport.organizations.models.sign_in.Kind",
        "ChangedKind": [("plugin", "plugin"), ("skill", "skill")],
    },
    "COMPONENT_SPLIT_PATCH": False,  # what a PATCH takes is required all the same
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "connector.api.schema.describe_errors",
    ],
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
