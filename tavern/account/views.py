"""`/login`, `/logout`, `/account` and `/phone`: who is let in, from which devices, and how a phone gets in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from realm.web import login as needs
from tavern.account import phone, sessions
from tavern.account.forms import LoginForm, NewPasswordForm

LOCKED_MINUTES = int(settings.AXES_COOLOFF_TIME.total_seconds()) // 60
PAGE = "tavern/account/account.html"
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OwnRequest(HttpRequest):
    """These views want a login."""

    user: User


class Login(LoginView):
    """`next` leads to pages of this host alone."""

    template_name = "tavern/account/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True
    extra_context = {"how_to_begin": needs.HOW_TO_BEGIN}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        sessions.begin(self.request)
        return answer


class Logout(LogoutView):
    next_page = "tavern:login"


def locked_out(request: HttpRequest, credentials: Any = None, *more: Any) -> HttpResponse:
    """For whoever tried too often (`AXES_LOCKOUT_CALLABLE`): also a right password is of no use for a while."""
    context = {"form": LoginForm(request), "locked_minutes": LOCKED_MINUTES}
    answer = render(request, Login.template_name, context, status=HTTPStatus.TOO_MANY_REQUESTS)
    answer["Retry-After"] = str(LOCKED_MINUTES * 60)
    return answer


@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, *, status: int = HTTPStatus.OK, **more: Any) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {"origins": phone.reachable_origins(), "needs_login": settings.REALM.needs_login}
    if user.is_authenticated:
        rows = sessions.of_user(user)
        context |= {"sessions": rows, "own_key": request.session.session_key, "password": NewPasswordForm(user)}
    return render(request, PAGE, context | more, status=status)


@require_POST
@login_required
def end_sessions(request: OwnRequest) -> HttpResponse:
    """One of them by its public id, or all but this one."""
    named = request.POST.get("session", "")
    if named:
        is_own = str(_own_id(request)) == named
        ended = int(sessions.end(request.user, named))
        if is_own:
            return redirect("tavern:login")
    else:
        ended = sessions.end_all(request.user, but=request.session)
    messages.success(request, "One session is ended." if ended == 1 else f"{ended} sessions are ended.")
    return redirect("tavern:account")


def _own_id(request: OwnRequest) -> object:
    own = sessions.of_user(request.user).filter(session_key=request.session.session_key).first()
    return own and own.public_id


@sensitive_post_parameters()
@never_cache
@require_POST
@login_required
def change_password(request: OwnRequest) -> HttpResponse:
    """All other sessions end with the old password."""
    form = NewPasswordForm(request.user, request.POST)
    if not form.is_valid():
        return _page(request, password=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    user = form.save()
    auth.update_session_auth_hash(request, user)
    request.session.save()
    sessions.end_all(user, but=request.session)
    messages.success(request, "The password is changed; everywhere else you were logged out.")
    return redirect("tavern:account")


@never_cache
@require_POST
@login_required
def phone_link(request: OwnRequest) -> HttpResponse:
    try:
        link = phone.make(request.user, request.POST.get("origin", ""))
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("tavern:account")
    return _page(request, link=link, svg=mark_safe(link.svg))


@login_not_required
@sensitive_post_parameters()
@never_cache
def let_phone_in(request: HttpRequest) -> HttpResponse:
    """The page behind the code; its button alone lets in."""
    if request.method != "POST":
        return render(request, "tavern/account/phone.html")
    user = phone.use(request.POST.get("key", ""), request)
    if user is None:
        return render(request, "tavern/account/phone.html", {"is_refused": True}, status=HTTPStatus.FORBIDDEN)
    auth.login(request, user, backend=_BACKEND)
    sessions.begin(request, kind=phone.KIND)
    return redirect("tavern:home")
