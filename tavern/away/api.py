"""`/api/away`: what is otherwise than it was at a moment."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from tavern.away.report import Report, report
from tavern.away.since import parse_since

router = Router()


class AwayMoment(Schema):
    said: str
    href: str
    """Of the page that shows it."""


class AwayRow(Schema):
    key: str
    label: str
    said: str
    moments: list[AwayMoment]


class AwayReport(Schema):
    since: float
    """In seconds since 1970, as `until`."""
    until: float
    seconds: float
    rows: list[AwayRow]
    """Those whose formatted value changed; none where nothing happened."""


@router.get("", response=AwayReport)
def away(request: HttpRequest, since: str = "") -> Any:
    """`since` is a span (30m, 8h, 2d), seconds since 1970 or an ISO time; eight hours where it is left out."""
    return told(report(settings.WORLD, settings.REALM.hero, since=parse_since(since), until=timezone.now()))


def told(found: Report) -> dict[str, Any]:
    """As JSON."""
    return {
        "since": found.since.timestamp(),
        "until": found.until.timestamp(),
        "seconds": found.seconds,
        "rows": [{"key": row.key, "label": row.label, "said": row.said, "moments": row.moments} for row in found.rows],
    }
