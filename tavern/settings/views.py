"""`/settings`, the armory: every setting, the calculator, presets, copies of the file, and how the pages look."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from arena import presets
from arena.presets import PresetError
from realm import config
from realm.config_edit import ABSENT
from realm.strict import BadConfig
from tavern.away.views import hidden_rows_of
from tavern.away.visitors import visitor_of
from tavern.page_frame import HtmxHttpRequest, frame_context
from tavern.presentation import kept
from tavern.settings import calculator, looks, page
from tavern.settings.page import Row
from watchtower.armory import catalogue, changing, kinds
from watchtower.armory.backups import NoSuchBackup
from watchtower.armory.catalogue import NoSuchSetting
from watchtower.armory.changing import Locked, Refusal, Unconfirmed

LONGEST_QUERY = 100
REFUSALS = (BadConfig, Locked, NoSuchSetting, NoSuchBackup, PresetError, OSError)


@require_safe
def armory(request: HtmxHttpRequest) -> HttpResponse:
    return _page(request)


@require_safe
def reckoned(request: HtmxHttpRequest) -> HttpResponse:
    """The calculator's answer; without scripts, the page with it."""
    if not request.htmx:
        return _page(request)
    return render(request, "tavern/settings/answer.html", {"calculator": calculator.read(settings.WORLD, request.GET)})


@require_POST
def put(request: HtmxHttpRequest) -> HttpResponse:
    """Write one setting, or give it back."""
    key, text = request.POST.get("key", ""), request.POST.get("value", "")
    sure = request.POST.get("confirm") == "yes"
    try:
        setting = catalogue.find(catalogue.read_all(settings.WORLD), key)
    except REFUSALS as error:
        return _told(request, str(error))
    is_reset = "reset" in request.POST
    try:
        value = ABSENT if is_reset else kinds.read(setting.form, text)
        done = changing.put(settings.WORLD, setting.key, value, confirmed=sure)
    except Unconfirmed as question:
        typed = "" if is_reset else text
        return _row(request, Row(setting=setting, typed=typed, question=str(question)), HTTPStatus.CONFLICT)
    except (Refusal, BadConfig, Locked) as error:
        row = Row(setting=setting, typed=None if is_reset else text, refusal=str(error))
        return _row(request, row, HTTPStatus.UNPROCESSABLE_ENTITY)
    said = f"Saved: it takes effect {done.effect}." + (f" The file as it was: {done.backup}." if done.backup else "")
    if request.htmx:
        return _row(request, page.row_of(settings.WORLD, setting.key, done=said), HTTPStatus.OK)
    messages.success(request, f"{setting.key}: {said}")
    return redirect(f"{reverse('tavern:settings')}#{page.Row(setting=setting).id}")


@require_POST
def preset(request: HtmxHttpRequest) -> HttpResponse:
    """Fight by a preset, delete one, or keep the recipe in force as one."""
    name, act = request.POST.get("name", ""), request.POST.get("act", "use")
    sure = request.POST.get("confirm") == "yes"

    def done() -> str:
        match act:
            case "save":
                presets.save(
                    settings.WORLD, name, config.load(settings.WORLD).training,
                    about=request.POST.get("about", "").strip() or "Saved on the page of settings.",
                )  # fmt: skip
                return f"The recipe is kept as {name}."
            case "delete":
                presets.find(settings.WORLD, name)
                if not sure:
                    raise Unconfirmed(f"The file of {name} goes, and cannot be put back.")
                presets.delete(settings.WORLD, name)
                return f"{name} is deleted."
        presets.find(settings.WORLD, name)
        changing.put(settings.WORLD, "preset", name, confirmed=sure)
        return f"{name} is in force: the next battle is fought by it."

    return _done(request, f"{'delete' if act == 'delete' else 'preset'} {name}", done)


@require_POST
def restore(request: HtmxHttpRequest) -> HttpResponse:
    name, sure = request.POST.get("name", ""), request.POST.get("confirm") == "yes"

    def done() -> str:
        before = changing.restore(settings.WORLD, name, confirmed=sure)
        return f"{name} is in force again; what stood there before is {before}."

    return _done(request, f"copy {name}", done)


@require_POST
def presentation(request: HtmxHttpRequest) -> HttpResponse:
    try:
        kept.save(request, looks.typed(request.POST))
    except BadConfig as error:
        return _page(request, looks=looks.read(kept.of(request), refusal=str(error)), status=HTTPStatus.BAD_REQUEST)
    messages.success(request, "So it looks from now on.")
    return redirect(f"{reverse('tavern:settings')}#presentation")


def _done(request: HtmxHttpRequest, asked: str, act: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, act())
    except Unconfirmed as question:
        return _page(request, question={asked: str(question)}, status=HTTPStatus.CONFLICT)
    except REFUSALS as error:
        return _told(request, str(error))
    return redirect("tavern:settings")


def _told(request: HtmxHttpRequest, text: str) -> HttpResponse:
    messages.error(request, text)
    return _page(request, status=HTTPStatus.BAD_REQUEST)


def _row(request: HtmxHttpRequest, row: Row, status: HTTPStatus) -> HttpResponse:
    """On an open page the row alone, which htmx puts in its place only with a status of 200."""
    if request.htmx:
        return render(request, "tavern/settings/row.html", {"row": row})
    return _page(request, typed=row, status=status)


def _page(request: HttpRequest, *, status: int = HTTPStatus.OK, **more: Any) -> HttpResponse:
    query = request.GET.get("q", "")[:LONGEST_QUERY]
    shown = page.read(settings.WORLD, query=query, typed=more.get("typed"), question=more.get("question"))
    context = frame_context(settings.WORLD) | {
        "hero": settings.REALM.hero,
        "armory": shown,
        "calculator": calculator.read(settings.WORLD, request.GET),
        "hidden_rows": hidden_rows_of(visitor_of(request)),
        "looks": more.get("looks") or looks.read(kept.of(request)),
    }
    return render(request, "tavern/settings/settings.html", context, status=status)
