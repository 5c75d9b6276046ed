"""What a battle's files say that was not carried yet; the trainer appends to them, and cuts them after a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from arena import steps
from arena.bridges.battle import Point, points_of_event
from arena.protocol import EVENTS_FILE, STEPS_FILE, Event
from realm import strict
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular

MOST_RECORDS = 20_000
"""Of one portion."""
_MOST_EVENT_BYTES = 64 * 1024**2
_MOST_CURSOR_BYTES = 4096


@dataclass(frozen=True)
class Cursor:
    """How far a battle was carried. Which records those were is known by the last one's step and time."""

    records: int = 0
    step: int = 0
    time: float = 0.0
    events_bytes: int = 0

    @classmethod
    def read(cls, path: Path) -> Cursor:
        """At the beginning where none is there, or it is damaged: then all is carried again."""
        with suppress(OSError, UnfitFile, ValueError, strict.BadConfig):
            return strict.read(cls, json.loads(read_regular(path, most_bytes=_MOST_CURSOR_BYTES)), source=str(path))
        return cls()

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_json(path, asdict(self), sync=False)


@dataclass(frozen=True)
class Portion:
    points: list[Point]
    undone_after: int | None
    """Steps behind this one were undone since they were carried, and are forgotten before `points` are taken."""
    cursor: Cursor
    """Behind them."""


def portions(folder: Path, cursor: Cursor) -> Iterator[Portion]:
    """What is new. After a cut the events of steps that stand no more are taken once more: not all are told again."""
    undone_after, standing = _undone(folder / STEPS_FILE, cursor)
    if undone_after is None:
        measured, read_bytes = _measured(folder, cursor.events_bytes)
    else:
        cursor = replace(cursor, records=standing, step=undone_after)
        measured, read_bytes = _measured(folder, 0)
        measured = [point for point in measured if point.step > undone_after]
    cursor = replace(cursor, events_bytes=read_bytes)
    while True:
        records = steps.read(folder / STEPS_FILE, cursor.records, cursor.records + MOST_RECORDS)
        points = [*_points(records), *measured]
        if len(records):
            last, count = records[-1], cursor.records + len(records)
            cursor = replace(cursor, records=count, step=int(last["step"]), time=float(last["time"]))
        if points or undone_after is not None:
            yield Portion(sorted(points, key=lambda point: point.step), undone_after, cursor)
        if not len(records):
            return
        measured, undone_after = [], None


def _undone(path: Path, cursor: Cursor) -> tuple[int | None, int]:
    """The last carried step that still stands and how many records do, where others were cut; else None.

    Records that took the place of cut ones are later than all that were carried.
    """
    if not cursor.records:
        return None, 0
    last = steps.read(path, cursor.records - 1, cursor.records)
    if len(last) and (int(last[0]["step"]), float(last[0]["time"])) == (cursor.step, cursor.time):
        return None, cursor.records
    carried = steps.read(path, 0, cursor.records)
    standing = int(np.count_nonzero(np.logical_and.accumulate(carried["time"] <= cursor.time)))
    return (int(carried[standing - 1]["step"]) if standing else 0), standing


def _points(records: steps.Records) -> Iterator[Point]:
    for record in records:
        seconds = float(record["step_seconds"])
        values = {
            "train/loss": float(record["loss"]),
            "train/learning_rate": float(record["learning_rate"]),
            "train/grad_norm": float(record["grad_norm"]),
            "train/step_seconds": seconds,
            "train/memory_bytes": float(record["memory_bytes"]),
        }
        if seconds > 0:
            values["train/tokens_per_second"] = float(record["tokens"]) / seconds
        yield Point(int(record["step"]), float(record["time"]), values)


def _measured(folder: Path, start: int) -> tuple[list[Point], int]:
    """What whole events behind byte `start` measured and still holds, and where they end.

    One that is no event is passed over, as the daemon has told of it.
    """
    points: list[Point] = []
    end = start
    with suppress(OSError), open(folder / EVENTS_FILE, "rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n") or end - start > _MOST_EVENT_BYTES:
                break
            end += len(line)
            event = _event(line)
            undone_after = event.data.get("undone_after") if event else None
            if isinstance(undone_after, int):
                points = [point for point in points if point.step <= undone_after]
            if event and (values := points_of_event(event)):
                points.append(Point(event.step, event.time, values))
    return points, end


def _event(line: bytes) -> Event | None:
    try:
        return Event.from_line(line)
    except (ValueError, RecursionError):
        return None
