"""Whether the trainer still gets on, judged by what it says: a stopped or stuck process exists, too."""

from __future__ import annotations

import math
from dataclasses import dataclass

from arena.protocol import BEAT_LINE, LOST_LINE, MISSING_LINE, STARTING_LINE, TROUBLE_LINE

LONGEST_POLL_SECONDS = 5.0
"""At most this much of the time between two looks counts as silence: who did not look did not hear.

Else a daemon that was itself stopped, or a machine that slept, would find every trainer hung.
"""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    startup_seconds: float = 60.0
    """Until the first line; a cold disk takes its time to load torch."""
    silent_seconds: float = 20.0
    """Without any line; a living trainer beats every protocol.BEAT_SECONDS."""
    idle_seconds: float = 900.0
    """Of beats which say that the run gets on with nothing."""


class Liveness:
    """Of one process. `hear` is called by the thread that reads its lines, everything else by the daemon's."""

    def __init__(self, now: float, timeouts: Timeouts) -> None:
        self._timeout_seconds = timeouts
        self._looked_at = now
        self._lines = 0
        self._lines_seen = 0
        self._silent_seconds = 0.0
        self._busy_seconds = 0.0
        self._idle_seconds = 0.0
        self.trouble = ""
        """What the run waits for, in the trainer's words; empty while it waits for nothing."""
        self.missing = ""
        """Which machines it waits for, in its words; empty while it waits for none."""
        self._lost = ""
        self._starting = True
        """It, or its ranks, load what they need, and nothing is heard of them meanwhile."""

    def hear(self, line: str) -> bool:
        """Take in one line; whether it tells more than that the trainer lives."""
        word, _, text = line.strip().partition(" ")
        if word == BEAT_LINE:
            self._idle_seconds = _seconds(text)
        elif word == TROUBLE_LINE:
            self.trouble = text.strip()
        elif word == LOST_LINE:
            self._lost = text.strip()
        elif word == MISSING_LINE:
            self.missing = text.strip()
        self._starting = word == STARTING_LINE
        self._lines += 1
        return word != BEAT_LINE

    def look(self, now: float, *, busy: bool) -> str:
        """Why the trainer counts as hung; empty while it does not. `busy` is one that does not wait for an order."""
        passed = min(now - self._looked_at, LONGEST_POLL_SECONDS)
        self._looked_at = now
        lines = self._lines
        self._silent_seconds = 0.0 if lines != self._lines_seen else self._silent_seconds + passed
        self._lines_seen = lines
        # A beat may still tell of the time before the order came.
        self._busy_seconds = self._busy_seconds + passed if busy and not self.trouble else 0.0
        return self._verdict()

    def _verdict(self) -> str:
        if self._starting:
            silent = self._silent_seconds
            return f"said nothing for {silent:.0f} s" if silent >= self._timeout_seconds.startup_seconds else ""
        if self._silent_seconds >= self._timeout_seconds.silent_seconds:
            return f"did not answer for {self._silent_seconds:.0f} s"
        if self._lost:
            return f"does not get on: {self._lost}"
        idle = min(self._idle_seconds, self._busy_seconds)
        return f"got no further for {idle:.0f} s" if idle >= self._timeout_seconds.idle_seconds else ""


def _seconds(text: str) -> float:
    """0 for what is no time: a beat that cannot be read is still a beat."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
