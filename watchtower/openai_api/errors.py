"""Every refusal in the shape that OpenAI's clients read: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from realm.strict import BadConfig
from realm.web.problems import openai_error
from watchtower.api.answers import BadBody, first_error

log = logging.getLogger(__name__)

_BAD_REQUEST, _NOT_FOUND, _TOO_LARGE, _UNAVAILABLE, _INTERNAL = 400, 404, 413, 503, 500
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Http404, _NOT_FOUND), (RequestDataTooBig, _TOO_LARGE),
    (BadBody, _BAD_REQUEST), (MultiPartParserError, _BAD_REQUEST),
    (SuspiciousOperation, _BAD_REQUEST), (UnreadablePostError, _BAD_REQUEST), (BadConfig, _UNAVAILABLE),
    (DatabaseError, _UNAVAILABLE), (OSError, _UNAVAILABLE),
)  # fmt: skip


class ApiError(Exception):
    """What the client asked for cannot be done; the text says why."""

    def __init__(self, message: str, *, status: int = _BAD_REQUEST, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def not_found(what: str, *, param: str = "id") -> ApiError:
    return ApiError(f"No such {what}", status=_NOT_FOUND, param=param, code="not_found")


def handle_errors(api: NinjaAPI) -> None:
    def answer(request: HttpRequest, message: str, status: int, **facts: str | None) -> HttpResponse:
        return api.create_response(request, openai_error(message, status=status, **facts), status=status)

    def told(status: int) -> Any:
        return lambda request, error: answer(request, str(error), status)

    def refused(request: HttpRequest, error: Any) -> HttpResponse:
        return answer(request, str(error), error.status, param=error.param, code=error.code)

    def invalid(request: HttpRequest, error: Any) -> HttpResponse:
        place = next((str(part) for part in error.errors[0]["loc"][1:] if part not in ("body", "asked")), None)
        return answer(request, first_error(error.errors), _BAD_REQUEST, param=place, code="invalid_value")

    def of_http(request: HttpRequest, error: Any) -> HttpResponse:
        cause = error.__cause__
        return answer(request, str(cause if isinstance(cause, BadBody) else error), error.status_code)

    def broken(request: HttpRequest, error: Any) -> HttpResponse:
        log.error("%s %s", request.method, request.path, exc_info=error)
        return answer(request, f"{type(error).__name__}; the log has more", _INTERNAL)

    api.add_exception_handler(ApiError, refused)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(HttpError, of_http)
    for kind, status in _STATUSES:
        api.add_exception_handler(kind, told(status))
    api.add_exception_handler(Exception, broken)
