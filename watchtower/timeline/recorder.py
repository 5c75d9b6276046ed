"""Writes down what the realm does, every few seconds; called by the vault's own process, which outlives the pages.

Where it was not called for a while it says why, as far as the machine's clocks tell: the machine slept or was off, the
clock was set, or this process was not there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from realm.config import RealmConfig
from realm.world import World
from watchtower.timeline import now as present
from watchtower.timeline.now import Activity
from watchtower.timeline.records import FILE, KEPT_SECONDS, Records
from watchtower.timeline.spans import Kind, Span

EVERY_SECONDS = 10.0
LONGEST_SILENCE_SECONDS = 30.0
"""What lies between two looks belongs to the activity seen last, unless it is longer."""
NOBODY = "nobody recorded: the vault service was off"
STUCK = "nobody recorded: the vault service was stuck or stopped"
SLEPT = "the machine slept"
MACHINE_OFF = "the machine was off"
CLOCK_SET = "nobody knows: the clock was set forward"
_FORGET_EVERY_SECONDS = 3600.0
_FIGURES = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """The machine's clocks in seconds."""

    wall: float
    awake: float
    """Since it was started, without the time that it slept."""
    up: float
    """Since it was started."""

    @classmethod
    def read(cls) -> Clocks:
        return cls(
            wall=time.time(),
            awake=time.clock_gettime(time.CLOCK_MONOTONIC),
            up=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    @property
    def started_at(self) -> float:
        return self.wall - self.up


class Recorder:
    def __init__(
        self,
        world: World,
        config: RealmConfig,
        *,
        look: Callable[[World, RealmConfig, float], Activity] = present.look,
        clocks: Callable[[], Clocks] = Clocks.read,
    ) -> None:
        self._world, self._config, self._look, self._clocks = world, config, look, clocks
        self._before: Clocks | None = None
        self._forgot_at = 0.0

    @cached_property
    def _records(self) -> Records:
        return Records(self._world.status / FILE)

    def record(self) -> None:
        """Look once and write it down. Raises DatabaseError, OSError; then the next call fills the time between."""
        clocks = self._clocks()
        activity = self._look(self._world, self._config, clocks.wall)
        last, now = self._records.last, clocks.wall
        if last is not None and now - last.end > LONGEST_SILENCE_SECONDS:
            for span in gap(last.end, self._before, clocks):
                self._records.add(span)
        self._write(activity, now)
        self._before = clocks
        if abs(now - self._forgot_at) > _FORGET_EVERY_SECONDS:
            self._forgot_at = now
            self._records.forget(now - KEPT_SECONDS)

    def _write(self, activity: Activity, now: float) -> None:
        """From where the last span ends; after a clock was set back, from now."""
        last = self._records.last
        if last is not None and last.start <= now and is_same(last, activity):
            self._records.replace(replace(last, end=max(last.end, now), why=activity.why))
            return
        start = now if last is None or last.end > now else last.end
        words = {"why": activity.why, "quest": activity.quest, "battle": activity.battle}
        self._records.add(Span(kind=activity.kind, start=start, end=now, **words))


def is_same(span: Span, activity: Activity) -> bool:
    """Figures in a reason, such as the bytes that are short, change while it stands."""
    return (
        span.kind == activity.kind
        and span.battle == activity.battle
        and span.quest == activity.quest
        and _FIGURES.sub("#", span.why) == _FIGURES.sub("#", activity.why)
    )


def gap(since: float, before: Clocks | None, now: Clocks) -> list[Span]:
    """What is to be said of the time from `since` on; `before` are the clocks at this process's last look."""
    if before is not None:
        kind, why = _within_a_process(before, now)
        return [Span(kind=kind, start=since, end=now.wall, why=why)]
    if not since < now.started_at < now.wall:
        return [Span(kind=Kind.UNKNOWN, start=since, end=now.wall, why=NOBODY)]
    return [
        Span(kind=Kind.OFF, start=since, end=now.started_at, why=MACHINE_OFF),
        Span(kind=Kind.UNKNOWN, start=now.started_at, end=now.wall, why=NOBODY),
    ]


def _within_a_process(before: Clocks, now: Clocks) -> tuple[Kind, str]:
    up, awake, wall = now.up - before.up, now.awake - before.awake, now.wall - before.wall
    if up - awake > LONGEST_SILENCE_SECONDS / 2:
        return Kind.ASLEEP, SLEPT
    return (Kind.UNKNOWN, CLOCK_SET) if wall - up > LONGEST_SILENCE_SECONDS / 2 else (Kind.UNKNOWN, STUCK)
