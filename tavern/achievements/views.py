"""`/achievements`: what the hero has reached, and what comes next."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tavern.achievements.page import read_hall
from tavern.page_frame import frame_context


@require_safe
def achievements(request: HttpRequest) -> HttpResponse:
    hero = settings.REALM.hero
    context = frame_context(settings.WORLD) | {"hero": hero, "hall": read_hall(settings.WORLD, hero)}
    return render(request, "tavern/achievements/achievements.html", context)
