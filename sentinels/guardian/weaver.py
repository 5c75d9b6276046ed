"""The supervisord that keeps the guardian and all others alive, kept alive in turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from realm.disk import locks
from realm.world import CHECKOUT, World
from sentinels.guardian import processes
from sentinels.guardian.watch import FROZEN_SECONDS

LOCK_FILE, PID_FILE = "weaver.lock", "weaver.pid"
AGAIN_SECONDS = 5.0
"""Between two attempts."""


class WeaverCare:
    def __init__(self, world: World, *, begin: Callable[[], subprocess.Popen[bytes]] | None = None) -> None:
        self._world = world
        self._begin = begin or _revival
        self._revival: subprocess.Popen[bytes] | None = None
        self._gone_at: float | None = None
        self._next_at = 0.0
        self._frozen_at: float | None = None

    def look(self, now: float) -> str:
        """What was mended, in a sentence; empty where nothing had to be. Waits for nothing."""
        if self._revival is not None and self._revival.poll() is None:
            return ""
        self._revival = None
        if locks.is_held(self._world.control / LOCK_FILE):
            return self._end_frozen(now) or self._told_mended(now)
        self._gone_at = now if self._gone_at is None else self._gone_at
        if now >= self._next_at:
            self._next_at = now + AGAIN_SECONDS
            self._revival = self._begin()
        return ""

    def _told_mended(self, now: float) -> str:
        gone_at, self._gone_at = self._gone_at, None
        if gone_at is None:
            return ""
        return f"The supervisor was gone and is back after {now - gone_at:.0f} s; the services lived on"

    def _end_frozen(self, now: float) -> str:
        """One that is stopped by a signal starts nothing again; killed, it is brought back."""
        pid = _supervisor(self._world)
        sight = processes.look(pid) if pid else None
        if not (sight and sight.frozen):
            self._frozen_at = None
            return ""
        self._frozen_at = now if self._frozen_at is None else self._frozen_at
        if now - self._frozen_at >= FROZEN_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(sight.pid, signal.SIGKILL)
        return ""


def _supervisor(world: World) -> int | None:
    """By its own file, whose number may be another's by now, even the supervisord's of another world."""
    ours = b"supervisor.supervisord", os.fsencode(world.control) + b"/"
    try:
        pid = int((world.control / PID_FILE).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return pid if all(sign in command for sign in ours) else None
    except (OSError, ValueError):
        return None


def _revival() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "realm.weaver.revival"], cwd=CHECKOUT, stdin=subprocess.DEVNULL)
