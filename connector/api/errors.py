"""The one place where the REST API turns errors into answers: `{"error": {"code", "message"}}`."""

from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from skillport.errors import SkillportError


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Translate our errors and REST framework's own; None lets the error go on to the log."""
    if isinstance(error, SkillportError):
        return Response(error.as_json(), status=error.status, headers=error.headers)
    response = exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else "invalid"
        response.data = {"error": {"code": code, "message": _sentence(error.detail)}}
    return response


def _sentence(detail: Any) -> str:
    """Say what is wrong in one line: REST framework gives text, a list, or lists by field."""
    if isinstance(detail, dict):
        return " ".join(f"{name}: {_sentence(faults)}" for name, faults in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(fault) for fault in detail)
    return str(detail)
