"""How far the hero has come since a moment, whoever trains it: read from the files of the battles alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from arena import status as arena_status
from arena import steps
from arena.protocol import EVENTS_FILE, Event, EventKind
from arena.steps import Records
from realm.checkpoints import branches
from realm.checkpoints.names import step_of
from realm.world import World

_TAIL = 512
"""Newest steps of a battle, for its speed."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """As of one look."""

    state: str
    """Of the arena."""
    message: str
    battle: str | None
    quest: str | None
    step: int
    """Of the hero's life."""
    quest_step: int | None = None
    total: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    steps_per_second: float | None = None
    events: tuple[Event, ...] = ()
    """That the look before did not see."""


@dataclass
class _Place:
    """How far a battle's files were read."""

    bytes_of_events: int
    total: int | None = None


@dataclass
class Follower:
    """Looks at what the running daemon fights; a battle that ends is read to its end before the next one."""

    world: World
    start: int
    """The hero's step from which on is counted."""
    clock: Callable[[], float] = time.monotonic
    errors: int = 0
    """Steps that went wrong, checkpoints that could not be saved, battles that failed."""
    last_loss: float | None = None
    _places: dict[str, _Place] = field(default_factory=dict)
    battle: str | None = None
    """The newest one that was fought."""
    _step: int = 0

    def __post_init__(self) -> None:
        self._step = self.start
        for folder in self.world.battles.iterdir():  # what was told before is no news
            self._places[folder.name] = _Place(_size(self.world, folder.name))
        running = arena_status.read_status(self.world).battle
        if running:  # but for how many steps it has
            self._places[running] = _Place(0)
            self._events_of(running)
            self.errors = 0
        self.begun = self.clock()

    @property
    def done(self) -> int:
        return max(0, self._step - self.start)

    @property
    def seconds(self) -> float:
        return self.clock() - self.begun

    def look(self) -> Seen:
        arena = arena_status.read_status(self.world)
        events: list[Event] = []
        for battle in dict.fromkeys((self.battle, arena.battle)):  # the last one may have ended since
            if battle:
                events += self._events_of(battle)
        self.battle = arena.battle or self.battle
        tail = self._tail()
        if len(tail):
            self._step = int(tail["step"][-1])
            if self.done:
                self.last_loss = float(tail["loss"][-1])
        speed = steps.rates(tail) if arena.state == "training" else None
        place = self._places.get(self.battle or "")
        return Seen(
            state=arena.state,
            message=arena.message,
            battle=self.battle,
            quest=arena.quest,
            step=self._step,
            quest_step=int(tail["quest_step"][-1]) if len(tail) else None,
            total=place.total if place else None,
            loss=steps.finite(float(tail["loss"][-1])) if len(tail) else None,
            learning_rate=float(tail["learning_rate"][-1]) if len(tail) else None,
            steps_per_second=speed.steps_per_second if speed else None,
            events=tuple(events),
        )

    def _tail(self) -> Records:
        if self.battle is None:
            return steps.NO_RECORDS
        path = steps.path_of(self.world, self.battle)
        count = steps.count(path)
        return steps.read(path, max(0, count - _TAIL), count)

    def _events_of(self, battle: str) -> list[Event]:
        place = self._places.setdefault(battle, _Place(0))
        try:
            with open(self.world.battles / battle / EVENTS_FILE, "rb") as file:
                file.seek(place.bytes_of_events)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        place.bytes_of_events += len(whole)
        events = []
        for line in whole.splitlines():
            with suppress(ValueError):  # the daemon says which line is none
                events.append(Event.from_line(line))
        self.errors += sum(event.kind in _ERRORS for event in events)
        for event in events:
            total = event.data.get("total_steps")
            place.total = total if isinstance(total, int) else place.total
        return events


_ERRORS = (EventKind.FAULT, EventKind.CHECKPOINT_FAILED, EventKind.BATTLE_FAILED)


def _size(world: World, battle: str) -> int:
    try:
        return (world.battles / battle / EVENTS_FILE).stat().st_size
    except OSError:
        return 0


def saved_step(world: World, hero: str) -> int:
    """Of the hero's newest checkpoint, from which a trainer goes on; 0 without one."""
    newest = branches.tip(world.heroes / hero)
    return (step_of(newest) or 0) if newest else 0


def newest_step(world: World, battle: str) -> int | None:
    """The last one that the battle has done."""
    path = steps.path_of(world, battle)
    count = steps.count(path)
    newest = steps.read(path, max(0, count - 1), count)
    return int(newest["step"][-1]) if len(newest) else None


def speed(done: int, seconds: float) -> float | None:
    return round(done / seconds, 3) if seconds > 0 and math.isfinite(seconds) else None
