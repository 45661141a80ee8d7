"""REST reads and writes JSON, whatever a client says of itself."""

from collections.abc import Iterable
from typing import Any, Final

from rest_framework.exceptions import NotAcceptable, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_UTF_8: Final = {"encoding": "utf-8"}  # RFC 8259, 8.1; a `charset` has no meaning for JSON


class Parser(JSONParser):
    """JSON in UTF-8. Python's own reader gives up on deep nesting by an error that is no `ValueError`."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, {**(parser_context or {}), **_UTF_8})
        except RecursionError:
            raise ParseError("This JSON is nested too deeply.") from None


class Negotiation(DefaultContentNegotiation):
    """There is one form of each answer, so a wish for another one refuses nothing (RFC 9110, 12.5.1 allows it)."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        known = list(renderers)
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(request, known, format_suffix)
        except NotAcceptable:
            return known[0], str(known[0].media_type)
        return chosen
