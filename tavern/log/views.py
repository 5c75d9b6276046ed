"""The whole log: searched, by topic, a page at a time."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from realm import strict
from tavern.log_groups import groups_of
from tavern.log_looks import entry_of
from tavern.page_frame import LARGEST_ID, frame_context
from watchtower import selectors, telling
from watchtower.telling import OTHER_TOPIC, TOPICS

ON_A_PAGE = 200


@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """Entries older than `before`, of one `topic`, with the words `q`."""
    before = strict.whole_number(request.GET.get("before", ""))
    asked = {"topic": request.GET.get("topic", ""), "search": request.GET.get("q", "").strip()[:200]}
    found = telling.find(**asked, before=before if before is None or before <= LARGEST_ID else None)
    events = selectors.messages(found, ON_A_PAGE + 1)
    shown = events[:ON_A_PAGE]
    context = {
        **frame_context(settings.WORLD),
        **asked,
        "log": groups_of(map(entry_of, shown)),
        "topics": (*TOPICS, OTHER_TOPIC),
        "older": shown[-1]["seq"] if len(events) > ON_A_PAGE else None,
        "is_first": before is None,
    }
    return render(request, "tavern/log/log.html", context)
