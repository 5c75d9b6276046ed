"""From which age on what somebody said last is no longer believed."""

STALE_SECONDS = 10.0
"""Data on a page older than this is marked stale, and a heartbeat older than this counts as none."""
SILENT_SECONDS = 30.0
"""A daemon that has said nothing for this long is in trouble: the patrol says so."""
