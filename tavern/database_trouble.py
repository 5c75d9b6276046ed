"""A page whose database does not answer says so, and what is done about it; strangers are told no more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from realm.web import client_address, login

log = logging.getLogger(__name__)

UNAVAILABLE = 503
_RETRY_SECONDS = "5"


class DatabaseTrouble:
    """A middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DatabaseError):
            return None
        log.error("%s: the database does not answer: %s", request.path, error)
        is_ours = not login.is_needed(client_address.scope_of(request))
        page = render_to_string("503.html", {"why": str(error) if is_ours else ""})
        return HttpResponse(page, status=UNAVAILABLE, headers={"Retry-After": _RETRY_SECONDS})
