"""What the daemon tells of itself in `status/arena.json`: what it does, for whom, and what troubles it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from arena import disk_errors
from arena.models import Battle
from realm.disk import durable

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
"""Written at least this often, so that whoever reads it knows that the daemon lives."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    battle: Battle | None
    """The one that is fought, or stands half-fought."""
    is_fought: bool
    rests: bool
    trainer_ready: bool
    trainer_pid: int | None
    waits_for: str
    """What the trainer lacks to go on, in its words; empty while it lacks nothing."""
    message: str
    """What troubles the arena, or why it rests; empty where nothing does."""

    @property
    def state(self) -> str:
        """One of those that `arena.status.ArenaStatus` names."""
        if self.waits_for:
            return "paused"
        if self.battle and self.is_fought:
            return "training" if self.battle.first_step is not None else "preparing"
        if self.rests:
            return "paused" if self.battle else "resting"
        return "idle" if self.trainer_ready else "preparing"


class StatusFile:
    """Written when the situation has changed, and every HEARTBEAT_SECONDS."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._last: dict[str, object] = {}
        self._written_at = 0.0
        self._lock = threading.Lock()

    def tell(self, look: Callable[[], Situation], *, offline: bool = False) -> None:
        """Write what `look` finds; `offline` says that the daemon is about to end.

        The disk that is in trouble may be the one that is read or written here; then the page sees that it grows old.
        """
        try:
            situation = look()
            with self._lock:
                self._write(situation, offline)
        except disk_errors.TROUBLES as error:
            if not disk_errors.passes(error):
                raise
            log.debug("the status cannot be written: %s", error)

    def keep(self, message: str) -> None:
        """Say again what was told last, with `message`: whoever would know more is busy. Any thread may call it."""
        with self._lock, suppress(OSError):
            if not self._last:
                return
            durable.write_json(self._path, self._last | {"message": message, "time": time.time()}, sync=False)

    def _write(self, situation: Situation, offline: bool) -> None:
        battle = situation.battle
        status: dict[str, object] = {
            "pid": os.getpid(),
            "state": "offline" if offline else situation.state,
            "message": situation.waits_for or situation.message,
            "waits": bool(situation.waits_for),
            "battle": battle.battle_id if battle else None,
            "quest": battle.quest.name if battle else None,
            "trainer_pid": situation.trainer_pid,
        }
        now = self._clock()
        if status != self._last or now - self._written_at >= HEARTBEAT_SECONDS:
            durable.write_json(self._path, status | {"time": time.time()}, sync=False)
            self._last, self._written_at = status, now
