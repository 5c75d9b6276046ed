"""`/watchtower`: is all well, what do the machines do, what did the realm do in the last day, and what do logs say."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from arena import status as arena_status
from realm.config import LOG_LEVELS
from realm.logs import levels
from realm.logs.sources import sources
from realm.weaver import WeaverError, orders
from realm.weaver.orders import ServiceOrder
from realm.world import World
from sentinels import vitals
from tavern.page_frame import HtmxHttpRequest, frame_context, sentence, told
from tavern.vault.champions import metrics, read_board
from tavern.watchtower import logs
from tavern.watchtower.costs import read_costs
from tavern.watchtower.day import read_timeline
from tavern.watchtower.logs import Wanted
from tavern.watchtower.machines import read_machines
from tavern.watchtower.past import read_pasts
from tavern.watchtower.services import read_services

PAGE = "tavern/watchtower/watchtower.html"
PLACES = 5
"""Of the board, whose page has more."""
Query = dict[str, Any]


@require_safe
def watchtower(request: HttpRequest) -> HttpResponse:
    context = frame_context(settings.WORLD) | {"hero": settings.REALM.hero}
    for read in PANELS.values():
        context |= read(request)
    return render(request, PAGE, context | _logs(settings.WORLD, Wanted.of(request.GET)))


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the page, from the page's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name[:40]!r} is none of {', '.join(PANELS)}")
    return render(request, f"{PAGE}#{name}", PANELS[name](request))


def _verdict(request: HttpRequest) -> Query:
    world: World = settings.WORLD
    now = time.time()
    found = vitals.troubles(world, settings.REALM, arena_status.read_status(world), now)
    return {"troubles": list(found)}


def _machines(request: HttpRequest) -> Query:
    return {"machines": read_machines(settings.WORLD, settings.REALM)}


def _past(request: HttpRequest) -> Query:
    return {
        "pasts": read_pasts(settings.WORLD, settings.REALM),
        "costs": read_costs(settings.WORLD, settings.REALM),
    }


def _services(request: HttpRequest) -> Query:
    return {"overview": read_services(settings.WORLD, settings.REALM)}


def _timeline(request: HttpRequest) -> Query:
    return {"day": read_timeline(settings.WORLD)}


def _board(request: HttpRequest) -> Query:
    board = read_board(settings.WORLD, settings.REALM.hero, request.GET.get("metric", ""))
    return {"board": board, "places": board.places[:PLACES], "metrics": metrics(), "hero": settings.REALM.hero}


PANELS: dict[str, Callable[[HttpRequest], Query]] = {
    "verdict": _verdict, "machines": _machines, "timeline": _timeline, "services": _services, "past": _past,
    "board": _board,
}  # fmt: skip


@require_safe
def log_lines(request: HttpRequest) -> HttpResponse:
    """The newest lines; with `after` those behind these cursors, with `before` those before them."""
    wanted = Wanted.of(request.GET)
    try:
        after, before = (logs.read_cursors(request.GET.get(key, "")) for key in ("after", "before"))
        if "after" in request.GET:
            page = logs.read_new(settings.WORLD, wanted, after)
        else:
            page = logs.read_page(settings.WORLD, wanted, before=before if "before" in request.GET else None)
    except ValueError as error:
        return HttpResponseBadRequest(str(error))
    return render(request, "tavern/watchtower/log_lines.html", {"page": page})


@require_POST
def log_level(request: HtmxHttpRequest) -> HttpResponse:
    """How much a service logs from now on; an empty level gives the setting `log_level` back its say."""
    service, level = request.POST.get("service", ""), request.POST.get("log_level", "")
    back = f"{reverse('tavern:watchtower')}?{urlencode({'service': service})}#logs"
    try:
        levels.set_level(settings.WORLD, service, level)
    except (ValueError, OSError) as error:
        return told(request, sentence(error), back=back, urgent=True, status=400)
    said = f"{service} logs from {level} on." if level else f"{service} logs as the settings say."
    return told(request, said, back=back)


@require_POST
def service_order(request: HtmxHttpRequest) -> HttpResponse:
    """`do`: `start`, `stop` or `restart`, and the service behind it."""
    verb, _, name = request.POST.get("do", "").partition(" ")
    back = f"{reverse('tavern:watchtower')}#services"
    if verb not in list(ServiceOrder):
        return told(request, f"There is no order {verb[:40]!r}.", back=back, urgent=True, status=400)
    try:
        said = orders.give(settings.WORLD, settings.REALM, name, ServiceOrder(verb))
    except WeaverError as error:
        return told(request, f"{error}.", back=back, urgent=True, status=409)
    return told(request, f"{said}.", back=back)


def _logs(world: World, wanted: Wanted) -> Query:
    names = list(sources(world))
    return {
        "wanted": wanted,
        "log": logs.read_page(world, wanted),
        "log_services": names if not wanted.service or wanted.service in names else [*names, wanted.service],
        "log_levels": LOG_LEVELS,
        "chosen_level": levels.chosen_levels(world).get(wanted.service, ""),
        "default_level": settings.REALM.log_level,
    }
