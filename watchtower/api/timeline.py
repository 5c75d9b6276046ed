"""`/api/system/timeline`: what the realm did in the last hours, and why it did nothing where it did nothing."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from watchtower.timeline.day import Day, read_day
from watchtower.timeline.spans import Kind, Span

router = Router()


class SpanOfTime(Schema):
    kind: Kind
    start: Annotated[float, Field(alias="from")]
    """In seconds since 1970, as `until`."""
    until: float
    seconds: float
    why: str
    quest: str | None
    battle: str | None


class Timeline(Schema):
    start: Annotated[float, Field(alias="from")]
    until: float
    seconds: dict[Kind, float]
    """Of each kind that occurred, the longest first."""
    saving_seconds: float
    idle: list[SpanOfTime]
    spans: list[SpanOfTime]


@router.get("/timeline", response=Timeline, by_alias=True)
def timeline(request: HttpRequest, hours: Annotated[float, Field(gt=0, le=24)] = 24.0) -> Any:
    """Spans without a hole, the oldest first; `idle` are those in which nothing was done for the hero, with reasons."""
    return told(read_day(settings.WORLD, hours=hours))


def told(day: Day) -> dict[str, Any]:
    """As JSON: times in seconds since 1970."""
    return {
        "from": day.start,
        "until": day.end,
        "seconds": day.seconds,
        "saving_seconds": day.saving_seconds,
        "idle": [_told(span) for span in day.idle],
        "spans": [_told(span) for span in day.spans],
    }


def _told(span: Span) -> dict[str, Any]:
    return {
        "kind": span.kind, "from": span.start, "until": span.end, "seconds": span.seconds, "why": span.why,
        "quest": span.quest or None, "battle": span.battle or None,
    }  # fmt: skip
