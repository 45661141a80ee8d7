"""Which slugs an organization may have. They are the first segment of every address, so none may be taken already."""

import re
from typing import Final

SLUG_PATTERN: Final = r"[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){1,39}"

# The first segments that Skillport itself answers (`tests/architecture/test_addresses.py` compares them with the
# URLconf and the ASGI routes), and words that people would take for a page of ours.
_ROUTES: Final = {
    "accounts", "api", "authorize", "client", "hooks", "livez", "metrics", "new", "oauth", "operator", "readyz",
    "register", "sse", "static", "token", "ws",
}  # fmt: skip
_WORDS: Final = {
    "about", "account", "admin", "administrator", "app", "apps", "archive", "assets", "auth", "billing", "blog",
    "catalog", "cdn", "claude", "connect", "connector", "contact", "dashboard", "demo-admin", "dev", "docs",
    "download", "email", "favicon", "git", "health", "healthz", "help", "home", "image", "images", "install",
    "internal", "invite", "legal", "log-in", "login", "logout", "mail", "marketplace", "marketplaces", "mcp", "media",
    "members", "news", "null", "organization", "organizations", "privacy", "public", "robots", "root", "search",
    "security", "settings", "sign-in", "sign-out", "sign-up", "signin", "signup", "skill", "skillport", "skills",
    "status", "support", "system", "terms", "test", "undefined", "user", "users", "webhook", "webhooks", "well-known",
    "www",
}  # fmt: skip
RESERVED: Final = frozenset(_ROUTES | _WORDS)


def is_slug(text: str) -> bool:
    """Tell whether `text` has the form of an organization's slug; it may still be reserved or taken."""
    return re.fullmatch(SLUG_PATTERN, text, re.ASCII) is not None
