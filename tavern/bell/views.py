"""`/bell`: the notices that were shown as toasts, the newest first, and which of them are unread."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from tavern.achievements.page import nearest_tiles
from tavern.away.visitors import visitor_made, visitor_of
from tavern.bell import news
from tavern.bell.kinds import GROUPS
from tavern.page_frame import LARGEST_ID, frame_context


@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """The whole page, or for the bell's panel what is in it."""
    context = _context(request)
    if "HX-Request" in request.headers:
        return render(request, "tavern/bell/list.html", context)
    return render(request, "tavern/bell/bell.html", frame_context(settings.WORLD) | context)


@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """One notice, by `seq`, or all."""
    asked = request.POST.get("seq", "")
    if asked and not (asked.isascii() and asked.isdigit() and int(asked) <= LARGEST_ID):
        return HttpResponseBadRequest(f"seq: {asked[:40]!r} is no number of a notice", content_type="text/plain")
    by_script = "HX-Request" in request.headers
    answer: HttpResponse = JsonResponse({}) if by_script else redirect("tavern:bell")
    visitor = visitor_made(request, answer)
    news.mark_read(visitor, int(asked) if asked else None)
    if by_script:
        answer.content = JsonResponse({"unread": news.unread_count(visitor)}).content
    return answer


def _context(request: HttpRequest) -> dict[str, Any]:
    visitor, group = visitor_of(request), request.GET.get("group", "")
    group = group if group in GROUPS else ""
    return {
        "hero": settings.REALM.hero,
        "notices": news.notices(visitor, group=group),
        "groups": GROUPS,
        "group": group,
        "unread": news.unread_count(visitor),
        "nearest": () if group else nearest_tiles(settings.WORLD, settings.REALM.hero),
    }
