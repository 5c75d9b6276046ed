"""The words of `/health`, the same on every port."""

from __future__ import annotations

HEALTHY = "healthy"
"""Whoever answers can do all that it is there for. Any other word names what it cannot."""
GOOD = frozenset({HEALTHY, "ok"})
"""Also as hosts of an earlier release say it."""
