"""Which slugs an organization may have. They are the first segment of every address, so none may be taken already."""

import re
import unicodedata
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


def suggest(slug: str, name: str) -> list[str]:
    """Give slugs like the wanted one, best first: what may be used, whoever has it already."""
    stems = [stem for stem in (_plain(slug), _plain(name)) if stem]
    wanted = [
        *stems,
        *(f"{stem[:35]}-{tail}" for stem in stems for tail in ("hq", "org", "team", "2", "3", "4")),
    ]
    return [one for one in dict.fromkeys(wanted) if is_slug(one) and one not in RESERVED]


def _plain(text: str) -> str:
    """Keep what a slug may be made of."""
    ascii_only = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:40].strip("-")
