"""What was asked of the running battle; read by the loop on step edges, set by another thread or a signal."""

from __future__ import annotations

import threading
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
