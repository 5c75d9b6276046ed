"""What took too long is not run again at once; it is after a while, since the machine may have been busy."""

from __future__ import annotations

import time
from collections.abc import Hashable

from arena.rows.overrun import Overrun

REMEMBERED_SECONDS = 60.0
MOST = 256


class Refusals:
    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[float, str]] = {}
        """When and why, by what was run; the oldest first."""

    def check(self, model: Hashable) -> None:
        """Raises Overrun for what was refused lately."""
        since, why = self._found.get(model, (0.0, ""))
        if why and time.monotonic() - since < REMEMBERED_SECONDS:
            raise Overrun(why)

    def note(self, model: Hashable, error: Overrun) -> None:
        self._found.pop(model, None)
        self._found[model] = time.monotonic(), str(error)
        if len(self._found) > MOST:
            self._found.pop(next(iter(self._found)), None)
