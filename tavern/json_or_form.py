"""Addresses that pages and programs share: a form needs the CSRF token as everywhere, JSON does not.

No foreign page can send JSON, for it would need a preflight, and realm.web.guard refuses whatever names another origin.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

LARGEST_BODY_BYTES = 1024**2

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


class BadOrder(ValueError):
    """One sentence for who sent it."""


def json_or_form(view: View) -> View:
    with_token: View = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    async def either(request: HttpRequest) -> HttpResponseBase:
        return await (view if is_json(request) else with_token)(request)

    return require_POST(either)


def is_json(request: HttpRequest) -> bool:
    return request.content_type == "application/json"


def json_body(request: HttpRequest) -> Any:
    """Raises BadOrder."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY_BYTES:
        raise BadOrder(f"The request is too large; at most {LARGEST_BODY_BYTES:,} bytes are read.")
    try:
        return orjson.loads(request.body)  # which takes no lone surrogates: no host and no database could
    except ValueError as error:
        raise BadOrder("The request is no JSON.") from error
