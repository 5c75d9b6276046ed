"""What was asked of the running battle, read by the loop on step edges, and when the loop last got on."""

from __future__ import annotations

import threading
import time
from enum import StrEnum


class Asked(StrEnum):
    PAUSE = "pause"
    STOP = "stop"
    SHUTDOWN = "shutdown"
    """Save, end the run, leave the process."""


class Control:
    """The last thing asked; a shutdown is never taken back."""

    def __init__(self) -> None:
        self._asked: Asked | None = None
        self._lock = threading.Lock()
        self._progress = time.monotonic()

    def ask(self, what: Asked) -> None:
        with self._lock:
            if self._asked != Asked.SHUTDOWN:
                self._asked = what

    def clear(self) -> None:
        """Forget a pause or stop before the next run."""
        with self._lock:
            if self._asked != Asked.SHUTDOWN:
                self._asked = None

    @property
    def asked(self) -> Asked | None:
        return self._asked

    @property
    def leaving(self) -> bool:
        return self._asked == Asked.SHUTDOWN

    def mark_progress(self) -> None:
        """Said by the run wherever it gets on; a run that says it no more hangs."""
        self._progress = time.monotonic()

    @property
    def seconds_without_progress(self) -> float:
        return time.monotonic() - self._progress
