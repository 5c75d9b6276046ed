"""Whole percents, degrees and watts, as the page writes them."""

from __future__ import annotations

from tavern.formatting import UNKNOWN, fixed


def percent(value: float | None) -> str:
    """`31%` of 31.2: what is a percentage already."""
    return _with("%", value)


def celsius(value: float | None) -> str:
    return _with(" °C", value)


def watts(value: float | None) -> str:
    return _with(" W", value)


def _with(unit: str, value: float | None) -> str:
    return UNKNOWN if value is None else f"{fixed(value, 0)}{unit}"
