"""A page that could not write says that nothing was done, and why; strangers are told no more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from realm.disk import failing, full
from realm.web import client_address, login

log = logging.getLogger(__name__)

NO_ROOM = 507


class DiskTrouble:
    """A middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if full.is_full(error):
            why = full.sentence(settings.WORLD.home)
        elif isinstance(error, OSError) and failing.is_failing(error):
            why = failing.sentence(error, settings.WORLD.home)
        else:
            return None
        log.error("%s: %s", request.path, why)
        is_ours = not login.is_needed(client_address.scope_of(request))
        return HttpResponse(render_to_string("507.html", {"why": why if is_ours else ""}), status=NO_ROOM)
