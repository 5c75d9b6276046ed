"""The files of one battle as they stand, read once; what is half-written or of an older release is passed over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from arena import steps
from arena.protocol import ENDINGS, EVENTS_FILE, ORDER_FILE, STEPS_FILE, Event, EventKind, Order
from arena.steps import Records
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World

CHUNK = 2**14
"""Records that are held at a time where all are gone through."""
LONGEST_NAME = 255
LARGEST_EVENTS_BYTES = 512 * 2**20
BEGINNINGS = (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED)


class NoBattle(LookupError):
    """There is nothing of a battle in the folder; the text names it."""


@dataclass(frozen=True)
class Source:
    """One battle's folder; its count of steps is fixed when it is opened, so that all figures are of one moment."""

    folder: Path
    count: int
    events: tuple[Event, ...]
    order: Order | None
    """None where it cannot be read any more."""

    @classmethod
    def open(cls, folder: Path) -> Source:
        """Raises NoBattle for a folder that holds neither order, events nor steps."""
        path = folder / STEPS_FILE
        if not any((folder / name).exists() for name in (ORDER_FILE, EVENTS_FILE, STEPS_FILE)):
            raise NoBattle(f"{folder.name}: no battle of this name lies here")
        return cls(folder, steps.count(path), tuple(_events(folder / EVENTS_FILE)), _order(folder / ORDER_FILE))

    @classmethod
    def of(cls, world: World, battle: str) -> Source:
        """Of the battle with this id. Raises NoBattle."""
        if not battle or battle in (".", "..") or set("/\0") & set(battle) or len(battle.encode()) > LONGEST_NAME:
            raise NoBattle(f"{battle[:80]!r} is no battle's id")
        return cls.open(world.battles / battle)

    @property
    def battle(self) -> str:
        return self.folder.name

    def chunks(self) -> Iterator[Records]:
        """The records in order, some ten thousand at a time, as long as their steps rise.

        A power loss may leave zeros behind them. Fewer come where the trainer has cut the file meanwhile.
        """
        before = 0
        for start in range(0, self.count, CHUNK):
            records = steps.read(self.folder / STEPS_FILE, start, min(start + CHUNK, self.count))
            rises = np.diff(records["step"], prepend=before) > 0
            sound = len(records) if rises.all() else int(rises.argmin())
            if sound:
                yield records[:sound]
            if sound < len(records) or not len(records):
                return
            before = int(records["step"][-1])

    @cached_property
    def records(self) -> Records:
        """All of them: 56 bytes a step."""
        chunks = list(self.chunks())
        return np.concatenate(chunks) if chunks else steps.NO_RECORDS

    def standing(self, *kinds: EventKind) -> list[Event]:
        """Events of these kinds in order, without those of steps that were undone since and went otherwise then."""
        undone_after, found = math.inf, []
        for event in reversed(self.events):
            if event.kind in kinds and event.step <= undone_after:
                found.append(event)
            undone = event.data.get("undone_after")
            if isinstance(undone, int):
                undone_after = min(undone_after, undone)
        return found[::-1]

    def newest(self, *kinds: EventKind) -> Event | None:
        return next((event for event in reversed(self.events) if event.kind in kinds), None)

    def told(self, key: str, *kinds: EventKind) -> Any:
        """What the newest of such events that says it says of `key`, else None."""
        found = (event.data.get(key) for event in reversed(self.events) if event.kind in kinds)
        return next((value for value in found if value is not None), None)

    @property
    def ending(self) -> Event | None:
        """The event that ended the newest run; None while one is under way, or was killed."""
        newest = self.newest(*BEGINNINGS, *ENDINGS)
        return newest if newest and newest.is_ending else None


def number(value: Any) -> float | None:
    """A finite number as a float; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _events(path: Path) -> Iterator[Event]:
    try:
        lines = read_regular(path, most_bytes=LARGEST_EVENTS_BYTES).split(b"\n")[:-1]
    except (OSError, UnfitFile):
        return
    for line in lines:
        try:
            yield Event.from_line(line)
        except ValueError:
            continue  # what a power loss left of it, or a kind of another release


def _order(path: Path) -> Order | None:
    try:
        return Order.read(path)
    except (OSError, ValueError):
        return None
