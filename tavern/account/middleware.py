"""Views want a login where other machines reach them; a program may come with a token instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from realm.weaver.services import TAVERN
from realm.web import client_address, identity, login
from realm.web.problems import API_PREFIX, MEDIA_TYPE, OPENAI_PREFIX, openai_error, problem
from realm.web.token_wall import TOKEN_KEY
from tavern.account import sessions
from tavern.page_frame import HtmxHttpRequest

_UNAUTHORIZED = 401
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_FOR_PROGRAMS = (API_PREFIX, OPENAI_PREFIX)
_OF_PROGRAMS = ("/metrics", "/health", "/readyz")
HOW = (
    "Log in at /login, or send 'Authorization: Bearer rot_…'; `manage.py tokens new --purpose read` makes a token for "
    "questions, `--purpose api` one for changes."
)


class LoginWhereNeeded(LoginRequiredMiddleware):
    def process_view(  # type: ignore[override]
        self, request: HtmxHttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        scope = client_address.scope_of(request)
        if not login.is_needed(scope) or scope.get(TOKEN_KEY):
            return None
        request.wants_login = True
        refusal: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        if refusal is None and request.user.is_authenticated:
            request.logged_in = request.user
            sessions.note_use(request)
            return _forged(request, view_func)
        return refusal

    def handle_no_permission(  # type: ignore[override]
        self, request: HtmxHttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        if request.path.startswith(_FOR_PROGRAMS) or request.path in _OF_PROGRAMS:
            return _problem(request)
        here = request.get_full_path() if request.method == "GET" else "/"
        if request.htmx:
            return HttpResponse(
                status=_UNAUTHORIZED, headers={"HX-Redirect": _login_url(request.htmx.current_url_abs_path or "/")}
            )
        return redirect(_login_url(here))


def _forged(request: HtmxHttpRequest, view_func: Callable[..., Any]) -> HttpResponseBase | None:
    """The API takes programs' requests, which bring no form's token; with a cookie it wants one, too."""
    if request.method in _SAFE or not getattr(view_func, "csrf_exempt", False):
        return None
    from ninja.utils import check_csrf  # the API's, which the view asked for has loaded

    return check_csrf(request)


def _problem(request: HtmxHttpRequest) -> HttpResponse:
    if request.path.startswith(OPENAI_PREFIX):
        told = openai_error(HOW, status=_UNAUTHORIZED)
    else:
        told = problem(HOW, status=_UNAUTHORIZED, instance=request.path)
    if request.path == "/health":  # this world's own programs know by it who answers
        told |= {"service": TAVERN, "world": identity.mark(settings.WORLD)}
    headers = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
    return JsonResponse(told, status=_UNAUTHORIZED, content_type=MEDIA_TYPE, headers=headers)


def _login_url(back: str) -> str:
    return f"/login?{urlencode({'next': back})}"
