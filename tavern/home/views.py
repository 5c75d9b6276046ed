from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from arena import orders, rate_orders
from arena.orders import Wish
from realm import heroes
from realm.strict import BadConfig
from tavern.home.first_steps import CLOSED, CLOSED_COOKIE, CLOSED_FOR_SECONDS, card_for, first_steps
from tavern.home.page import build_brief_snapshot, save_metric, stance_of, tavern_context
from tavern.home.rate import rate_form
from tavern.json_or_form import BadOrder, is_json, json_body, json_or_form
from tavern.page_frame import HtmxHttpRequest
from watchtower.rivals import rivals
from watchtower.snapshot import build_snapshot

PANELS = frozenset({"stage", "orders", "hero", "queue", "rate", "medals"})


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    snapshot = build_snapshot(settings.WORLD, settings.REALM.hero)
    card = card_for(request, stance_of(snapshot["arena"]), snapshot["hero"]["name"])
    return render(request, "tavern/home/home.html", _whole_page(snapshot) | {"first_steps": card})


def _whole_page(snapshot: dict[str, Any]) -> dict[str, Any]:
    context = tavern_context(snapshot)
    champion, battle = context["crown"].champion, snapshot["battle"]
    now, name = battle["id"] if battle else None, champion.name if champion else None
    record = heroes.read(settings.WORLD, settings.REALM.hero)
    parent = record.parent if record else None
    return context | {"rivals": rivals(settings.REALM.hero, now=now, champion=name, parent=parent)}


@require_http_methods(["GET", "HEAD", "POST"])
def first_steps_card(request: HtmxHttpRequest) -> HttpResponse:
    """The card, ticked anew; a POST closes it for good in this browser."""
    if request.method == "POST":
        response = HttpResponse() if request.htmx else redirect("tavern:home")
        response.set_cookie(CLOSED_COOKIE, CLOSED, max_age=CLOSED_FOR_SECONDS, samesite="Lax")
        return response
    snapshot = build_brief_snapshot(settings.WORLD, settings.REALM.hero)
    found = first_steps(stance_of(snapshot["arena"]), snapshot["hero"]["name"])
    return render(request, "tavern/home/first_steps.html", {"first_steps": found})


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the page, from its own template."""
    if name not in PANELS:
        raise Http404(f"panel {name!r} is none of {', '.join(sorted(PANELS))}")
    return _render_panel(request, name)


@require_POST
def battle_command(request: HtmxHttpRequest, wish: str) -> HttpResponse:
    if wish not in list(Wish):
        raise Http404(f"order {wish!r} is none of {', '.join(Wish)}")
    asked = Wish(wish)
    orders.send(settings.WORLD, wish=asked, by="tavern")
    return _render_panel(request, "orders", asked) if request.htmx else redirect("tavern:home")


@json_or_form
async def battle_rate(request: HttpRequest) -> HttpResponseBase:
    """Lower the learning rate of the battle under way; a refusal stands beside what was entered."""
    answer = _rate_by_program if is_json(request) else _rate_by_page
    return await sync_to_async(answer)(cast(HtmxHttpRequest, request))


def _rate_by_program(request: HttpRequest) -> HttpResponse:
    try:
        values = json_body(request)
        entered = values.get("learning_rate") if isinstance(values, dict) else None
        if isinstance(entered, bool) or not isinstance(entered, int | float | str):
            raise BadOrder("learning_rate is required: a number above 0.")
        order = rate_orders.lower(settings.WORLD, rate_orders.parse(str(entered)), by="tavern")
    except (BadOrder, rate_orders.RateRefused) as why:
        status = HTTPStatus.BAD_REQUEST if isinstance(why, BadOrder) else HTTPStatus.CONFLICT
        return JsonResponse({"success": False, "error": str(why)}, status=status)
    return JsonResponse({"success": True, "battle": order.battle, "learning_rate": order.learning_rate})


def _rate_by_page(request: HtmxHttpRequest) -> HttpResponse:
    entered = request.POST.get("learning_rate", "")
    try:
        order = rate_orders.lower(settings.WORLD, rate_orders.parse(entered), by="tavern")
    except rate_orders.RateRefused as refusal:
        rate = rate_form(settings.WORLD, entered=entered, refusal=str(refusal))
    else:
        rate = rate_form(settings.WORLD, asked=order.learning_rate)
    if request.htmx:
        return render(request, "tavern/home/rate.html", {"rate": rate})
    snapshot = build_snapshot(settings.WORLD, settings.REALM.hero)
    status = HTTPStatus.CONFLICT if rate.refusal else HTTPStatus.OK
    return render(request, "tavern/home/home.html", _whole_page(snapshot) | {"rate": rate}, status=status)


@require_POST
def champion_metric(request: HtmxHttpRequest) -> HttpResponse:
    try:
        save_metric(settings.WORLD, request.POST.get("metric", ""))
    except BadConfig as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    return _render_panel(request, "hero") if request.htmx else redirect("tavern:home")


def _render_panel(request: HttpRequest, name: str, asked: Wish | None = None) -> HttpResponse:
    snapshot = build_brief_snapshot(settings.WORLD, settings.REALM.hero)
    return render(request, f"tavern/home/{name}.html", tavern_context(snapshot, asked))
