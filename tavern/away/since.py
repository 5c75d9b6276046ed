"""From when a report shall begin, as somebody typed it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone

DEFAULT = timedelta(hours=8)
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([mhd])")
HOW = "a span such as 30m, 8h or 2d, seconds since 1970, or a time as 2026-11-30T08:00"


class BadSince(ValueError):
    """One sentence for who typed it."""


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """Empty: eight hours ago. Raises BadSince for what is no moment, or one that is to come."""
    now = now or timezone.now()
    moment = _parsed(text.strip(), now)
    if moment > now:
        raise BadSince(f"since: {text[:40]!r} is still to come")
    return moment


def _parsed(text: str, now: datetime) -> datetime:
    try:
        if not text:
            return now - DEFAULT
        if found := _SPAN.fullmatch(text):
            return now - timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise BadSince(f"since: {text[:40]!r} is no moment; give {HOW}") from error
