"""When a notice may go: quiet hours and digests, by the wall clock of the player's time zone.

A moment is turned into wall time, and never the other way round where that is ambiguous, so that summer time changes
nothing but how long a night is.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sentinels.notices.rules import Digest

_HOUR = timedelta(hours=1)


def is_quiet(moment: datetime, quiet: str, time_zone: str = "") -> bool:
    """Whether the wall clock stands within `22:00-07:00`, its end left out; empty hours are never quiet."""
    if not quiet:
        return False
    begin, end = map(time.fromisoformat, quiet.split("-"))
    clock = _local(moment, time_zone).time()
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def is_digest_due(oldest: datetime, now: datetime, digest: Digest, at: str, time_zone: str = "") -> bool:
    """Whether a full hour, or the hour of the daily digest, lies between the oldest event that waits and now."""
    if digest == "immediate":
        return True
    return oldest < (_last_hour(now) if digest == "hourly" else _last_daily(now, at, time_zone))


def _last_hour(now: datetime) -> datetime:
    """Of the time since 1970: it neither happens twice nor is left out."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _last_daily(now: datetime, at: str, time_zone: str) -> datetime:
    day = _local(now, time_zone).date()
    today = _moment(datetime.combine(day, time.fromisoformat(at)), time_zone)
    return (
        today if today <= now else _moment(datetime.combine(day - timedelta(days=1), time.fromisoformat(at)), time_zone)
    )


def _local(moment: datetime, time_zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(time_zone) if time_zone else None)


def _moment(wall: datetime, time_zone: str) -> datetime:
    """Of an hour that happens twice the first, of one that is left out the one after it."""
    return (wall.replace(tzinfo=ZoneInfo(time_zone)) if time_zone else wall.astimezone()).astimezone(UTC)
