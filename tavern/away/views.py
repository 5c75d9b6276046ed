"""What happened while nobody looked: noted when somebody does, told on return, and at `/away` for any time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from tavern.away.models import Visitor
from tavern.away.report import ROWS, Report, report
from tavern.away.since import BadSince, parse_since
from tavern.away.uneventful import note_uneventful
from tavern.away.visitors import gap_of, note_seen, visitor_made, visitor_of
from tavern.bell.news import unread_count
from tavern.page_frame import frame_context

PAGE = "tavern/away/away.html"
SAME_LOOK = timedelta(seconds=2)
SPANS = ("1h", "8h", "24h", "7d")


@require_safe
def away(request: HttpRequest) -> HttpResponse:
    """Of the time `since`; without it, since somebody looked last."""
    visitor = visitor_of(request)
    asked = request.GET.get("since", "")
    try:
        since = parse_since(asked) if asked or visitor is None else visitor.seen_at
    except BadSince as error:
        return render(request, PAGE, _frame() | {"refusal": str(error), "asked": asked[:40]}, status=400)
    found = _report(since)
    context = shown(found, visitor.hidden_rows if visitor else ())
    return render(request, PAGE, _frame() | context | {"asked": asked[:40], "visitor": visitor})


@require_POST
def seen(request: HttpRequest) -> HttpResponse:
    """Somebody looks now: how long nobody did, and how many notices are unread. Makes nobody wait for a report."""
    answer = JsonResponse({})
    visitor = visitor_made(request, answer)
    gap = gap_of(visitor).total_seconds()
    note_seen(visitor)
    told = {"gap_s": gap, "seen_at": visitor.seen_at.timestamp(), "unread": unread_count(visitor)}
    answer.content = JsonResponse(told).content
    return answer


@require_POST
def returned(request: HttpRequest) -> HttpResponse:
    """The report since `since`, or since somebody looked last; who asks looks now. Without scripts, on to the Tavern.

    A page that was only hidden says so by `hidden`: it gets nothing (204) where another one was looked at meanwhile.
    """
    answer = HttpResponse()
    visitor = visitor_made(request, answer)
    since = _moment(request.POST.get("since", "")) or visitor.seen_at
    looked_since = visitor.seen_at > since + SAME_LOOK
    if "hidden" in request.POST and looked_since:
        return HttpResponse(status=204)
    found = _report(since)
    if not looked_since:
        note_uneventful(settings.WORLD, settings.REALM.hero, found)
    note_seen(visitor)
    if "HX-Request" not in request.headers:
        return redirect("tavern:home")
    answer.content = render(request, "tavern/away/report.html", shown(found, visitor.hidden_rows)).content
    return answer


def _moment(text: str) -> datetime | None:
    """As a page was told it; None for what is none."""
    try:
        return parse_since(text) if text else None
    except BadSince:
        return None


@require_POST
def hide(request: HttpRequest) -> HttpResponse:
    """A kind of row is hidden for good, or with `show` is shown again; `all` is every one."""
    row, show = request.POST.get("row", ""), "show" in request.POST
    if row not in ROWS and not (show and row == "all"):
        return HttpResponseBadRequest(f"row: {row[:40]!r} is none of {', '.join(ROWS)}", content_type="text/plain")
    answer: HttpResponse = HttpResponse(status=204) if "HX-Request" in request.headers else redirect(_back(request))
    visitor = visitor_made(request, answer)
    visitor.hidden_rows = _hidden(visitor.hidden_rows, row, show=show)
    visitor.save(update_fields=["hidden_rows"])
    return answer


def _back(request: HttpRequest) -> str:
    """To the page on which it was asked: the report's, or the settings."""
    return f"{reverse('tavern:settings')}#away-rows" if "settings" in request.POST else reverse("tavern:away")


def _hidden(hidden: list[str], row: str, *, show: bool) -> list[str]:
    if show and row == "all":
        return []
    others = [key for key in hidden if key != row]
    return others if show else [*others, row]


def shown(found: Report, hidden: Collection[str]) -> dict[str, Any]:
    """What the report's template needs; rows that the visitor hides are named apart."""
    return {
        "report": found,
        "rows": [row for row in found.rows if row.key not in hidden],
        "hidden": _labelled(hidden),
    }


def hidden_rows_of(visitor: Visitor | None) -> list[tuple[str, str]]:
    """Key and label of each row that the visitor's report leaves out."""
    return _labelled(visitor.hidden_rows) if visitor else []


def _labelled(hidden: Collection[str]) -> list[tuple[str, str]]:
    return [(key, ROWS[key]) for key in hidden if key in ROWS]


def _report(since: datetime) -> Report:
    return report(settings.WORLD, settings.REALM.hero, since=since, until=timezone.now())


def _frame() -> dict[str, Any]:
    return frame_context(settings.WORLD) | {"hero": settings.REALM.hero, "spans": SPANS}
