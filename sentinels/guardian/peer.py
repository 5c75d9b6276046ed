"""Who watches the guardian: the vault's own process, which the guardian watches in turn.

Both have to be stuck, or killed together with supervisord, for nobody to heal the others.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from realm.weaver import guarded, service_lock
from realm.weaver.services import GUARDIAN
from realm.world import World
from sentinels.guardian import processes
from sentinels.guardian.processes import Sight
from sentinels.guardian.watch import Watch
from sentinels.guardian.weaver import WeaverCare

log = logging.getLogger(__name__)

EVERY_SECONDS = 4.0
SLEPT_SECONDS = 3 * EVERY_SECONDS


class Peer:
    """Has a stuck guardian killed, which supervisord then starts again; where both are gone it brings both back."""

    def __init__(
        self,
        world: World,
        *,
        weaver: WeaverCare | None = None,
        sight: Callable[[int], Sight | None] = processes.look,
        kill: Callable[[int, int], None] = os.kill,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._world, self._weaver = world, weaver or WeaverCare(world)
        self._sight, self._kill, self._clock = sight, kill, clock
        self._watch = Watch(GUARDIAN, busy_seconds=60)
        self._looked_at = clock()
        self._stamp = 0

    def look(self) -> None:
        now = self._clock()
        if now - self._looked_at > SLEPT_SECONDS:
            self._watch.forgive(now)
        self._looked_at = now
        pid = service_lock.holder(self._world, GUARDIAN)
        sight = self._sight(pid) if pid else None
        if sight is None:
            self._weaver.look(now)
        elif self._has_spoken():
            self._watch.hear(now, sight)
        if sight and self._watch.look(now, sight) == guarded.STUCK:
            log.warning("the guardian is stuck and killed: %s", self._watch.why, extra={"event": "guardian_stuck"})
            with suppress(ProcessLookupError):
                self._kill(sight.pid, signal.SIGKILL)

    def _has_spoken(self) -> bool:
        """Since the last look, whatever the clocks say."""
        before = self._stamp
        with suppress(OSError):
            self._stamp = os.stat(self._world.status / guarded.STATUS_FILE).st_mtime_ns
        return self._stamp != before


def is_needed() -> bool:
    """Where no weaver runs this process, whatever does looks after all of them."""
    return os.environ.get(service_lock.RUN_BY_VARIABLE) == service_lock.WEAVER
