"""How busy the machine is with what is not a background task, and what the arena does."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psutil

from realm.machine import gpus as machine_gpus
from realm.machine.readings import cpu_seconds
from realm.staleness import is_fresh
from realm.world import World

WINDOW_SECONDS = 20.0
"""What is said of the load is a mean over this long."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """In percent of the whole device, over the last seconds; None where it is not known yet."""

    cpu_percent: float | None
    """Of all processors, by others: neither the Task Master nor its tasks."""
    gpu_percents: tuple[float | None, ...] = ()
    """By number; None for one that does not tell."""


class LoadMeter:
    """To be asked every few seconds; it tells what was since it was asked before, as a mean over a window."""

    def __init__(
        self,
        *,
        cpu: Callable[[], tuple[float, float]] | None = None,
        gpus: Callable[[], tuple[float | None, ...]] | None = None,
    ) -> None:
        self._cpu, self._gpus = cpu or cpu_seconds, gpus or machine_gpus.of_this_machine().percents
        self._seen: deque[tuple[float, float, float, float, tuple[float | None, ...]]] = deque()
        """Time, busy and all seconds of the processors, seconds of our own, use of the GPUs."""

    def look(self, now: float, own: Iterable[psutil.Process]) -> Load:
        """`own` are the tasks: with this process and all below them they are not `others`."""
        busy, everything = self._cpu()
        self._seen.append((now, busy, everything, own_seconds(own), self._gpus()))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        return Load(cpu_percent=self._cpu_percent(), gpu_percents=self._gpu_means())

    def _cpu_percent(self) -> float | None:
        (_, busy, everything, own, _), (_, busy_now, everything_now, own_now, _) = self._seen[0], self._seen[-1]
        passed = everything_now - everything
        if passed <= 0:
            return None
        # A task that ended took its seconds with it; then they count as nobody's, and not as less than nothing.
        others = (busy_now - busy) - max(0.0, own_now - own)
        return min(100.0, max(0.0, 100.0 * others / passed))

    def _gpu_means(self) -> tuple[float | None, ...]:
        """Over the readings that know as many GPUs as the last one: a driver may come to answer in between."""
        told = [seen[-1] for seen in self._seen]
        return tuple(_mean(uses) for uses in zip(*(uses for uses in told if len(uses) == len(told[-1])), strict=True))


def _mean(uses: Sequence[float | None]) -> float | None:
    known = [use for use in uses if use is not None]
    return sum(known) / len(known) if known else None


def own_seconds(tasks: Iterable[psutil.Process]) -> float:
    """Of this process and its tasks. To look for children that are no tasks would cost more than they do."""
    mine = os.times()
    return mine.user + mine.system + seconds_of(tasks)


def seconds_of(processes: Iterable[psutil.Process]) -> float:
    """Of processor time that these and all below them used so far."""
    return sum(_seconds(member) for process in processes for member in _family(process))


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def gpu_of(device: str, visible: str | None = None) -> int | None:
    """The driver's number of `cuda` or `cuda:N`; None for any other device.

    `visible` is CUDA_VISIBLE_DEVICES, by which a process counts its own; only numbers in it are understood.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") if visible is None else visible
    at = int(number or 0)
    seen = [part.strip() for part in visible.split(",") if part.strip()]
    return int(seen[at]) if at < len(seen) and seen[at].isdigit() else at


@dataclass(frozen=True, kw_only=True)
class Arena:
    """What the arena said last; `offline` where it has been silent."""

    state: str

    @property
    def trains(self) -> bool:
        return self.state in ("training", "preparing")

    @property
    def plays(self) -> bool:
        """Whether it would fight a quest that came now."""
        return self.state in ("training", "preparing", "idle")


def read_arena(world: World, now: float) -> Arena:
    try:
        said = json.loads(world.arena_status.read_bytes())
        fresh = is_fresh(float(said["time"]), now)
        return Arena(state=str(said["state"]) if fresh else "offline")
    except (OSError, ValueError, TypeError, KeyError):
        return Arena(state="offline")
