"""`/notices`: which address outside the page is told of what, and when."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from realm import config
from realm.strict import BadConfig
from sentinels.notices import destinations
from sentinels.notices.errors import NoticeError
from tavern.notices import page
from tavern.notices.page import AddForm, RulesForm
from tavern.page_frame import frame_context

REFUSALS = (NoticeError, BadConfig, OSError)


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """All destinations at once, as they stand in one table."""
    found: list[RulesForm] = []
    try:
        found = page.forms_of(settings.WORLD, config.load(settings.WORLD), request.POST)
        if not all(form.is_valid() for form in found):
            return _page(request, refused=found, status=400)
        changes = {str(form.prefix): form.changes() for form in found}
        destinations.save(settings.WORLD, changes)
    except REFUSALS as error:
        messages.error(request, _words(error))
        return _page(request, refused=found, status=400) if isinstance(error, BadConfig) else _back()
    changed = ", ".join(name for name, keys in changes.items() if keys)
    messages.success(request, f"Saved for {changed}." if changed else "Nothing was changed.")
    return _back()


@sensitive_post_parameters("address")
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = AddForm(request.POST)
    if form.is_valid():
        try:
            name = form.cleaned_data["name"]
            destinations.add(settings.WORLD, name, form.cleaned_data["address"])
        except REFUSALS as error:
            form.add_error(None, _words(error))
        else:
            messages.success(request, f"{name} is added. Send it a test.")
            return _back()
    return _page(request, added=form, status=400)


@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    def forget() -> str:
        destinations.remove(settings.WORLD, name)
        return f"{name} is removed, and its address forgotten."

    return _done(request, forget)


@require_POST
def send_test(request: HttpRequest, name: str) -> HttpResponse:
    """Within ten seconds, for which this request alone waits."""

    def send() -> str:
        answer = destinations.send_test(settings.WORLD, name)
        if not answer.ok:
            raise NoticeError(f"{name} did not take the test: {answer.words}")
        return f"{name} took the test: {answer.words}"

    return _done(request, send)


def _done(request: HttpRequest, act: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, act())
    except REFUSALS as error:
        messages.error(request, _words(error))
    return _back()


def _words(error: Exception) -> str:
    return f"It could not be written: {error.strerror}" if isinstance(error, OSError) else str(error)


def _page(
    request: HttpRequest, *, refused: list[RulesForm] | None = None, added: AddForm | None = None, status: int = 200
) -> HttpResponse:
    context = frame_context(settings.WORLD) | {
        "hero": settings.REALM.hero,
        "notices": page.read(settings.WORLD, refused=refused or ()),
        "add_form": added or AddForm(),
    }
    return render(request, "tavern/notices/notices.html", context, status=status)


def _back() -> HttpResponse:
    return redirect("tavern:notices")
