"""What is requested of the running battle, read by the loop on step edges, and when the loop last made progress."""

from __future__ import annotations

import threading
import time
from enum import StrEnum


class Request(StrEnum):
    PAUSE = "pause"
    STOP = "stop"
    FINISH = "finish"
    """Save and complete the quest: it has done its work."""
    SHUTDOWN = "shutdown"
    """Save, end the run, leave the process."""


class Control:
    """The last request; a shutdown is never taken back."""

    def __init__(self) -> None:
        self._requested: Request | None = None
        self._lock = threading.Lock()
        self._pause_at: int | None = None
        self._rate_asked = threading.Event()
        self._progress = time.monotonic()

    def request(self, what: Request) -> None:
        with self._lock:
            if self._requested != Request.SHUTDOWN:
                self._requested = what

    def clear(self) -> None:
        """Forget a pause, stop or finish before the next run."""
        with self._lock:
            self._pause_at = None
            if self._requested != Request.SHUTDOWN:
                self._requested = None

    def pause_at(self, step: int) -> None:
        """A pause at the end of the hero's `step`, unless something else is requested before."""
        self._pause_at = step

    def requested_at(self, step: int) -> Request | None:
        """What the run is to heed at the end of the hero's `step`."""
        if self._requested is None and self._pause_at is not None and step >= self._pause_at:
            return Request.PAUSE
        return self._requested

    def ask_rate(self) -> None:
        """The player has lowered the learning rate."""
        self._rate_asked.set()

    def take_rate_asked(self) -> bool:
        """Whether that was asked since the last call."""
        asked = self._rate_asked.is_set()
        if asked:
            self._rate_asked.clear()
        return asked

    @property
    def leaving(self) -> bool:
        return self._requested == Request.SHUTDOWN

    def mark_progress(self) -> None:
        """Called by the run wherever it makes progress; a run that calls it no more hangs."""
        self._progress = time.monotonic()

    @property
    def seconds_without_progress(self) -> float:
        return time.monotonic() - self._progress
