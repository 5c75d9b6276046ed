"""What each service of a world takes of this machine, its own children counted in: the trainer is the arena's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from realm.processes import orphans
from realm.weaver.starter import SERVICE_VARIABLE
from realm.world import World

SEEK_SECONDS = 30.0
"""Looking through all processes of a machine takes longer than looking at those that are known."""


@dataclass(frozen=True, kw_only=True)
class ServiceUse:
    name: str
    processes: int
    cpu_percent: float | None
    """Of one processor, as `top` has it: two that are busy make 200. None at the first look."""
    memory_bytes: int
    """Resident; what processes share counts for each."""


class ServiceMeter:
    """To be asked now and then; percents are means since it was asked before."""

    def __init__(self, world: World, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._world, self._clock = world, clock
        self._found: list[tuple[psutil.Process, str]] = []
        self._sought_at = -SEEK_SECONDS
        self._seen: dict[int, tuple[float, float]] = {}
        """When each was looked at, and its seconds of processor time then; by pid."""

    def read(self) -> tuple[ServiceUse, ...]:
        now = self._clock()
        if now - self._sought_at >= SEEK_SECONDS:
            self._found, self._sought_at = list(orphans.find(self._world, SERVICE_VARIABLE)), now
        looked = [(process.pid, name, told) for process, name in self._found if (told := _look(process))]
        uses = tuple(self._use(service, looked, now) for service in dict.fromkeys(name for _, name, _ in looked))
        self._seen = {pid: (now, seconds) for pid, _, (seconds, _) in looked}
        return uses

    def _use(self, service: str, looked: list[tuple[int, str, tuple[float, int]]], now: float) -> ServiceUse:
        own = [(pid, seconds, size) for pid, name, (seconds, size) in looked if name == service]
        parts = [self._percent(pid, seconds, now) for pid, seconds, _ in own if pid in self._seen]
        return ServiceUse(
            name=service,
            processes=len(own),
            cpu_percent=sum(parts) if parts else None,
            memory_bytes=sum(size for _, _, size in own),
        )

    def _percent(self, pid: int, seconds: float, now: float) -> float:
        then, before = self._seen[pid]
        return 100.0 * max(0.0, seconds - before) / max(now - then, 0.001)


def _look(process: psutil.Process) -> tuple[float, int] | None:
    """Seconds of processor time and bytes; None of one that is gone, or whose number another process has."""
    try:
        if not process.is_running():
            return None
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except psutil.Error:
        return None
    return times.user + times.system, memory.rss
