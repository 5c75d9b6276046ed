"""From which age on what somebody said last is no longer believed."""

from __future__ import annotations

STALE_SECONDS = 10.0
"""Data on a page older than this is marked stale, and a heartbeat older than this counts as none."""


def is_fresh(told_at: float | None, now: float) -> bool:
    """Whether a heartbeat of `told_at`, in seconds since 1970, is believed; one from the future is not.

    After a clock was set back nobody knows how old it is; whoever lives writes the next one soon.
    """
    return told_at is not None and abs(now - told_at) <= STALE_SECONDS
