"""Bytes that come or go no slower than a thing that is alive sends or takes them. No Django."""

from __future__ import annotations

import time

SILENT_SECONDS = 30.0
"""The longest that the other side may say nothing, or take nothing."""
SLOWEST_BYTES_A_SECOND = 1024
"""Over any such time; whoever trickles less is not answering."""


class Pace:
    def __init__(self, seconds: float = SILENT_SECONDS) -> None:
        self._seconds, self._began, self._moved = seconds, time.monotonic(), 0

    def moved(self, count: int) -> None:
        """Raises TimeoutError for whoever is too slow."""
        self._moved += count
        if (took := time.monotonic() - self._began) > self._seconds:
            if self._moved / took < SLOWEST_BYTES_A_SECOND:
                raise TimeoutError
            self._began, self._moved = time.monotonic(), 0
