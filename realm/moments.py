"""Moments as files and other machines spell them: ISO 8601 with an offset."""

from __future__ import annotations

from datetime import UTC, datetime

from realm import strict

_FIRST_YEAR, _LAST_YEAR = 1970, 9998
"""One more could not be told in every time zone."""


def read_moment(text: str) -> datetime:
    """In UTC. Raises ValueError: the text, and what is wrong with it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{strict.shown(text)} is no time") from None
    if moment.tzinfo is None:
        raise ValueError(f"{strict.shown(text)} has no offset")
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"{strict.shown(text)} lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.astimezone(UTC)
