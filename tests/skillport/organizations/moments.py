"""A fixed moment for services that are told what time it is."""

from datetime import UTC, datetime

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
