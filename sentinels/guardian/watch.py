"""One service as the guardian sees it: when it was heard last, and whether it is stuck.

All times are of a clock that never jumps, so a clock that is set is of no account. Silence is judged by what the
process does meanwhile: one that computes or reads may take its time, one that only sleeps is stuck.
"""

from __future__ import annotations

from dataclasses import dataclass

from realm.weaver import guarded
from sentinels.guardian.processes import Sight

FROZEN_SECONDS = 8.0
"""A player who stops a process by a signal and wakes it soon is let be."""
SILENT_SECONDS = 20.0
START_SECONDS = 120.0
"""Of one that has not said yet that it is ready."""
WORKING_SHARE = 0.02
"""Of one processor, from which on a silent process is taken for one that works."""


@dataclass
class Watch:
    service: str
    busy_seconds: float
    """After which one that works and says nothing is stuck, too."""
    pid: int | None = None
    state: str = guarded.ENDED
    why: str = ""
    is_ready: bool = False
    """Whether its process has said that it does its work."""
    _heard_at: float = 0.0
    _cpu_seconds: float = 0.0
    """When it was heard last."""
    _frozen_at: float | None = None

    def hear(self, now: float, sight: Sight) -> None:
        """It said that its loop goes round."""
        self._begin_anew(now, sight)
        self.is_ready = True
        self._heard_at, self._cpu_seconds = now, sight.cpu_seconds

    def forgive(self, now: float) -> None:
        """Nobody knows what was before: this process itself did not run."""
        self._heard_at = now
        self._frozen_at = None if self._frozen_at is None else now

    def look(self, now: float, sight: Sight | None) -> str:
        """Its state, one of `realm.weaver.guarded`; `why` says in words why it is stuck."""
        self.why = ""
        if sight is None:
            self.pid, self.is_ready, self.state = None, False, guarded.ENDED
            return self.state
        self._begin_anew(now, sight)
        self.why = self._stuck(now, sight)
        self.state = guarded.STUCK if self.why else guarded.UP if self.is_ready else guarded.STARTING
        return self.state

    def doubt(self, why: str) -> str:
        """Its state, where it says that it is well and somebody else may know better."""
        if why:
            self.state, self.why = guarded.STUCK, why
        return self.state

    def _begin_anew(self, now: float, sight: Sight) -> None:
        if sight.pid != self.pid:
            self.pid, self.is_ready, self._frozen_at = sight.pid, False, None
            self._heard_at, self._cpu_seconds = now, sight.cpu_seconds

    def _stuck(self, now: float, sight: Sight) -> str:
        self._frozen_at = (self._frozen_at or now) if sight.frozen else None
        if self._frozen_at is not None:
            frozen = now - self._frozen_at
            return f"a signal stopped it {frozen:.0f} s ago" if frozen >= FROZEN_SECONDS else ""
        silent = now - self._heard_at
        works = sight.wants_processor or sight.cpu_seconds - self._cpu_seconds >= WORKING_SHARE * silent
        patience = self.busy_seconds if works else SILENT_SECONDS
        if silent < (patience if self.is_ready else max(patience, START_SECONDS)):
            return ""
        return f"it lives and its loop has stood still for {silent:.0f} s"
