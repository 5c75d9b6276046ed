"""A battle's progress at every so many steps, for whoever follows it in a process of his own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from django.db import close_old_connections, connection

from arena import selectors, steps
from arena.models import Battle
from arena.steps import Records, finite
from realm.world import World

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
DATABASE_SECONDS = 0.5
_MOST_RECORDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a battle is, at a step that is a multiple of what was asked for."""

    count: int
    """Steps of this battle that are done."""
    step: int
    """The hero's own."""
    total: int | None
    loss: float | None
    """Nats per supervised token, mean of the steps since the last word; None where none was finite."""
    learning_rate: float | None
    tokens_per_second: float | None
    """Real tokens, padding left out, of the last minute."""
    elapsed_secs: float
    """Since the battle began."""
    eta_secs: float | None
    battle: str
    quest: str


@dataclass(frozen=True)
class _Place:
    battle: Battle
    had: int
    """Records that were told."""
    last: bytes
    """The newest of them: a resume may cut back and do steps again."""


class Follower:
    """Reads what the trainer and the daemon write, and writes nothing. Raises ValueError for `every` below 1."""

    def __init__(self, world: World, every: int, *, ending: threading.Event | None = None) -> None:
        if every < 1:
            raise ValueError(f"every: {every} is not allowed; allowed are numbers from 1 up")
        self._world, self._every = world, every
        self.ending = ending or threading.Event()
        self._place = self._newest()

    def follow(self) -> Iterator[Progress]:
        """Until `ending` is set."""
        asked = time.monotonic()
        while not self.ending.is_set():
            if self._place:
                yield from self._new(self._place)
            if time.monotonic() - asked >= DATABASE_SECONDS:
                asked = time.monotonic()
                self._look_for_another()
            self.ending.wait(LOOK_SECONDS)

    def _newest(self) -> _Place | None:
        """At the end of the newest battle."""
        battle = selectors.latest_battle()
        if battle is None:
            return None
        count = steps.count(steps.path_of(self._world, battle.battle_id))
        return _Place(battle, count, self._record(battle, count))

    def _look_for_another(self) -> None:
        battle = selectors.latest_battle()
        if battle is None:
            return None
        if self._place is None or battle.pk != self._place.battle.pk:
            if self._place:
                return self._turn_to(battle)
            self._place = _Place(battle, 0, b"")
        else:
            self._place = replace(self._place, battle=battle)
        return None

    def _turn_to(self, battle: Battle) -> None:
        """Once all of the one before is told."""
        assert self._place is not None
        if self._place.had >= steps.count(steps.path_of(self._world, self._place.battle.battle_id)):
            self._place = _Place(battle, 0, b"")

    def _new(self, place: _Place) -> Iterator[Progress]:
        path = steps.path_of(self._world, place.battle.battle_id)
        count = steps.count(path)
        had = place.had if self._record(place.battle, place.had) == place.last else self._kept(place)
        records = steps.read(path, had, min(count, had + _MOST_RECORDS))
        if not len(records):
            return
        self._place = replace(place, had=had + len(records), last=records[-1].tobytes())
        begin = had
        for index in np.flatnonzero(records["quest_step"] % self._every == 0):
            end = had + int(index) + 1
            yield self._told(place.battle, steps.read(path, max(0, min(begin, end - self._every)), end))
            begin = end

    def _record(self, battle: Battle, count: int) -> bytes:
        return steps.read(steps.path_of(self._world, battle.battle_id), count - 1, count).tobytes() if count else b""

    def _kept(self, place: _Place) -> int:
        """How many of the records that were told are there still: those not later than the newest of them."""
        told = float(np.frombuffer(place.last, steps.DTYPE)["time"][0])
        path = steps.path_of(self._world, place.battle.battle_id)
        return int((steps.read(path, 0, min(place.had, steps.count(path)))["time"] <= told).sum())

    def _told(self, battle: Battle, records: Records) -> Progress:
        last, recent = records[-1], records[-self._every :]["loss"]
        sound = recent[np.isfinite(recent)]
        speed = steps.rates(records)
        done, total = int(last["quest_step"]), battle.total_steps
        left = None if total is None else max(0, total - done)
        return Progress(
            count=done,
            step=int(last["step"]),
            total=total,
            loss=float(sound.mean(dtype=np.float64)) if len(sound) else None,
            learning_rate=finite(last["learning_rate"], 9),
            tokens_per_second=finite(speed.tokens_per_second, 1),
            elapsed_secs=max(0.0, float(last["time"]) - battle.started_at.timestamp()),
            eta_secs=left / speed.steps_per_second if left is not None and speed.steps_per_second else None,
            battle=battle.battle_id,
            quest=battle.quest.name,
        )


class Following:
    """A thread that calls `fn` until `stop()`. What `fn` raises is logged, and `fn` is called again the next time."""

    def __init__(self, follower: Follower, fn: Callable[[Progress], object]) -> None:
        self._follower, self._fn = follower, fn
        self._thread = threading.Thread(target=self._go, name="on_progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._follower.ending.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def join(self, seconds: float | None = None) -> None:
        """Wait until it was stopped, at most so long."""
        self._thread.join(seconds)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Following: {'runs' if self._thread.is_alive() else 'stopped'}>"

    def _go(self) -> None:
        try:
            for progress in self._follower.follow():
                close_old_connections()
                self._tell(progress)
        finally:
            connection.close()

    def _tell(self, progress: Progress) -> None:
        try:
            self._fn(progress)
        except Exception:
            log.exception("what was to be called at %s steps failed", progress.count)
