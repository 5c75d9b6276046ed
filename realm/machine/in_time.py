"""An answer that may never come, asked for in a thread of its own, so that nobody waits for it longer than he will."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_SECONDS = 15.0
"""An answer that came late, or before the one that does not come, is good for so long."""


class InTime(Generic[T]):
    """One question at most is open at a time: a driver that hangs costs one thread, however often it is asked."""

    def __init__(self, ask: Callable[[], T], *, seconds: float, name: str) -> None:
        self._ask, self._seconds, self._name = ask, seconds, name
        self._lock = threading.Lock()
        self._open: threading.Thread | None = None
        self._answer: tuple[float, T] | None = None

    def get(self) -> T | None:
        """The answer, or the last one while it is fresh; None where there is neither."""
        with self._lock:
            waits = self._open is None or not self._open.is_alive()
            if waits:
                self._open = threading.Thread(target=self._go, name=self._name, daemon=True)
                self._open.start()
            asking = self._open
        if waits and asking:
            asking.join(self._seconds)
        answer = self._answer
        return answer[1] if answer and time.monotonic() - answer[0] <= KEPT_SECONDS else None

    def _go(self) -> None:
        try:
            answer = self._ask()
        except Exception:
            log.exception("asking %s", self._name)
        else:
            self._answer = (time.monotonic(), answer)
