"""Whether whole numbers are written out or short, for the page that is made just now."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from tavern import formatting
from tavern.presentation import kept

_asking: ContextVar[HttpRequest | None] = ContextVar("asking", default=None)


class Notation:
    """A middleware: filters of templates know no request, and a part of a page has none in its context."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before = _asking.set(request)
        try:
            return self._get_response(request)
        finally:
            _asking.reset(before)


def whole(value: float | None) -> str:
    """`128,900`, or `128k` for a player who wants numbers short."""
    request = _asking.get()
    is_short = request is not None and kept.of(request).numbers == "compact"
    return formatting.compact(value) if is_short else formatting.whole(value)
