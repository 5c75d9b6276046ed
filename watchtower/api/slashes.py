"""An address of the API with a slash at its end is the one without: clients write either."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_ROOT = "/api/"


class EitherSpelling:
    """A middleware: no redirect, which would lose a body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.startswith(_ROOT) and path.endswith("/"):
            request.path_info = path.rstrip("/") if path.strip("/") != "api" else _ROOT
        return self._get_response(request)
