"""Structured logs, with a scrubber in front of every line.

The scrubber is the last wall, not the first: code never hands a secret to the log. It takes out what slips through
in a URL, a header or an exception's text.
"""

import re
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

import structlog

request_id: ContextVar[str] = ContextVar("request_id", default="")

HIDDEN: Final = "[hidden]"
_SECRET_NAMES = re.compile(
    r"authorization|cookie|password|secret|token$|api[-_]?key|credential", re.IGNORECASE
)
_SECRETS: Final = [
    (re.compile(r"sklp_([a-z]{2})_[0-9A-Za-z]+"), r"sklp_\1_" + HIDDEN),
    (re.compile(r"(/api/install/)[^\s/?\"']+"), r"\1" + HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 " + HIDDEN),
    (re.compile(r"(://)[^\s/?#\"']+@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"(gh[pousr]_|github_pat_|glpat-|gldt-)[\w-]{16,}"), r"\1" + HIDDEN),
]


def scrub(text: str) -> str:
    """Give `text` with everything that looks like a secret hidden."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def scrub_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secrets in one log event, by the name of the field and by the form of its text."""
    for name, value in event.items():
        event[name] = HIDDEN if _SECRET_NAMES.search(name) else _scrub_value(value)
    return event


def _scrub_value(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {
            scrub(str(name)): HIDDEN if _SECRET_NAMES.search(str(name)) else _scrub_value(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrub_value(item) for item in value]
    if value is None or isinstance(value, int | float):
        return value
    return scrub(repr(value))  # what the renderer would write of it


def _add_request_id(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if number := request_id.get():
        event["request_id"] = number
    return event


def logging_configuration(*, style: str, level: str) -> dict[str, Any]:
    """Give the `logging` configuration: one handler to stderr, `style` json or console."""
    steps: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
    ]
    # Tracebacks become text before the scrubber, so that it sees them too. Local variables are never rendered.
    last = (
        [structlog.processors.format_exc_info, scrub_event, structlog.processors.JSONRenderer()]
        if style == "json"
        else [structlog.processors.format_exc_info, scrub_event, structlog.dev.ConsoleRenderer(colors=False)]
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": steps,
        "processors": [remove, *last],
    }
    quiet = {"level": "WARNING"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Access lines come from our own envelope, scrubbed; the servers' own would hold whole addresses.
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
            "uvicorn.error": quiet, "mcp": quiet, "httpcore2": quiet, "httpx2": quiet, "asyncio": quiet,
            "celery": quiet, "kombu": {"level": "ERROR"}, "amqp": quiet, "django.request": {"level": "ERROR"},
        },
    }  # fmt: skip
