"""`/battles/<battle_id>/steps/<step>`: one blow; `/battles/<battle_id>/replay`: the battle once more."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from arena.reports.step_report import NoSuchStep, step_report
from tavern.battles.views import find
from tavern.page_frame import HtmxHttpRequest, frame_context
from tavern.replay.blow import blow_of
from tavern.replay.replay import replay_context


@require_safe
def step(request: HtmxHttpRequest, battle_id: str, step: int) -> HttpResponse:
    """A page, and the content of a dialog of one that is open."""
    battle = find(battle_id)
    try:
        report = step_report(settings.WORLD, battle, step)
    except NoSuchStep as error:
        raise Http404(str(error)) from error
    context = {"battle": battle, "blow": blow_of(settings.WORLD, settings.REALM, battle, report)}
    if request.htmx:
        return render(request, "tavern/replay/blow.html", context | {"in_dialog": True})
    return render(request, "tavern/replay/step.html", frame_context(settings.WORLD) | context)


@require_safe
def replay(request: HttpRequest, battle_id: str) -> HttpResponse:
    """The battle from its files; `#step=N` of the address is where it begins."""
    battle = find(battle_id)
    context = frame_context(settings.WORLD) | replay_context(settings.WORLD, battle)
    return render(request, "tavern/replay/replay.html", context)
