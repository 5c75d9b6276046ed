"""`/patrol`: what the last patrol found and what to do about it, a patrol now, and what the guardian did lately."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from sentinels import patrol_orders
from tavern.page_frame import HtmxHttpRequest, frame_context, sentence, told
from tavern.patrol import page

PAGE = "tavern/patrol/patrol.html"
BY = "patrol's page"
PANELS = ("findings", "guardian")


@require_safe
def patrol(request: HttpRequest) -> HttpResponse:
    context = frame_context(settings.WORLD) | {"hero": settings.REALM.hero}
    for name in PANELS:
        context |= _panel(name)
    return render(request, PAGE, context)


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the page, from the page's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name[:40]!r} is none of {', '.join(PANELS)}")
    return render(request, f"{PAGE}#{name}", _panel(name))


def _panel(name: str) -> dict[str, Any]:
    if name == "findings":
        return {"patrol": page.read(settings.WORLD)}
    return {"deeds": page.deeds(settings.WORLD)}


@require_POST
def patrol_now(request: HtmxHttpRequest) -> HttpResponse:
    """The Task Master performs it, in a process of its own."""
    back = reverse("tavern:patrol")
    try:
        said = patrol_orders.ask(settings.WORLD, by=BY)
    except OSError as error:
        return told(request, sentence(error), back=back, urgent=True, status=503)
    return told(request, said, back=back)
