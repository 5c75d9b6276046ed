"""A battle as events: its steps, in `progress`, and what its trainer told, by the time at which both were written.

A place is the last step and the last number of the chronicle that a client has. The step's time stands with it, since
a resume may cut steps back and do them again: a step of that number at another time is another step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Max

from arena import jobs, steps
from arena.jobs import Job, NoSuchJob
from arena.models import Battle, ChronicleEntry
from arena.protocol import EventKind
from arena.steps import MOST_CURVE_POINTS, Records, finite
from realm import strict
from realm.world import World
from watchtower.streams.feed import Event
from watchtower.streams.sse import encoded

LOOK_SECONDS = 0.1
DATABASE_SECONDS = 0.25
MOST_RECORDS, MOST_ENTRIES = 500, 200
OVER = (Battle.State.STOPPED, Battle.State.COMPLETED, Battle.State.FAILED)
_NAMES: dict[str, str] = {EventKind.VALIDATED: "validation", EventKind.CHECKPOINT_SAVED: "checkpoint"}
_ANY_TIME = -1
_RATE_RECORDS = 512
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Place:
    step: int = 0
    time_ms: int = 0
    """At which that step was done; _ANY_TIME where the client told only its number."""
    seq: int = 0
    is_end: bool = False

    def __str__(self) -> str:
        return f"{self.step}-{self.time_ms}-{self.seq}{'-end' if self.is_end else ''}"

    @classmethod
    def read(cls, text: str) -> Place:
        """Of an event's id, or of a step alone. Raises ValueError."""
        words = text.removesuffix("-end").split("-")
        numbers = [strict.whole_number(word, most=_LARGEST) for word in words]
        if None not in numbers and len(numbers) == 1:
            return cls(int(numbers[0] or 0), _ANY_TIME)
        if None in numbers or len(numbers) != 3:
            raise ValueError(f"since: an event's id or a step is expected, not {text[:40]!r}")
        step, time_ms, seq = (int(number or 0) for number in numbers)
        return cls(step, time_ms, seq, text.endswith("-end"))

    def at(self, records: Records) -> Place:
        """Behind the last of the records."""
        return replace(self, step=int(records["step"][-1]), time_ms=_milliseconds(records[-1]))


class Training:
    look_seconds = LOOK_SECONDS

    def __init__(self, world: World, run: str) -> None:
        """`run`: a battle's id, or a job's, whose stream begins while it waits. Raises NoSuchJob."""
        self.key = ("training", world, run)
        self._world, self._run = world, run
        self._asked = -math.inf
        self._id = run if Battle.objects.filter(battle_id=run).exists() else self._job().battle or ""

    def _job(self) -> Job:
        return jobs.get(self._world, self._run)

    @property
    def is_over(self) -> bool:
        if not self._id:
            return self._job().is_over
        return Battle.objects.filter(battle_id=self._id, state__in=OVER).exists()

    def newest(self) -> Place:
        if not self._id:
            return Place()
        count = steps.count(self._path)
        last = steps.read(self._path, max(0, count - 1), count)
        seq = self._entries.aggregate(last=Max("source_seq"))["last"] or 0
        return Place(seq=seq).at(last) if len(last) else Place(seq=seq)

    def read(self, after: Place, until: Place | None) -> Sequence[Event[Place]]:
        asks = until is not None or self._is_time_to_ask()
        if not self._id:
            return self._waiting(after) if asks else []
        battle = Battle.objects.select_related("quest").filter(battle_id=self._id).first() if asks else None
        if asks and battle is None:
            raise NoSuchJob(f"the battle {self._id} is gone")
        if battle is not None:
            self._battle = battle
        told = list(self._changed_history(after, until))
        place = told[-1].place if told else after
        records, more = self._records(place, until)
        entries = self._new_entries(place, until) if asks else []
        told += self._in_order(place, records, more, entries)
        if not told and until is None and battle is not None and battle.state in OVER:
            told = [self._end(after)]
        return told

    def _waiting(self, after: Place) -> Sequence[Event[Place]]:
        """Nothing before its battle begins, but an end where there will be none."""
        job = self._job()
        self._id = job.battle or ""
        if self._id or not job.is_over:
            return []
        told = {"state": job.state, "quest": job.name, "reason": job.reason}
        return [self._event("end", replace(after, is_end=True), told)]

    def _is_time_to_ask(self) -> bool:
        now = time.monotonic()
        if now - self._asked < DATABASE_SECONDS:
            return False
        self._asked = now
        return True

    @cached_property
    def _battle(self) -> Battle:
        return Battle.objects.select_related("quest").get(battle_id=self._id)

    @property
    def _path(self) -> Path:
        return steps.path_of(self._world, self._id)

    @property
    def _entries(self) -> Any:
        return ChronicleEntry.objects.filter(source=self._id).order_by("source_seq")

    def _changed_history(self, after: Place, until: Place | None) -> Iterator[Event[Place]]:
        """What the client has, and history holds no more, or otherwise."""
        if until is not None and after.seq > until.seq:
            after = replace(after, seq=until.seq)
            yield self._gap(after, "events", until.seq + 1, None)
        count = steps.count(self._path)
        first = steps.read(self._path, 0, 1)
        if not count or not len(first):
            return
        before = max(after.step, self._battle.first_step or 0)
        if int(first["step"][0]) > before + 1:
            missing = int(first["step"][0]) - 1
            yield self._gap(replace(after, step=missing, time_ms=_ANY_TIME), "steps", before + 1, missing)
            return
        had, is_redone = self._index(after, count)
        if is_redone:
            kept = steps.read(self._path, had - 1, had) if had else steps.NO_RECORDS
            place = after.at(kept) if len(kept) else replace(after, step=0, time_ms=_ANY_TIME)
            yield self._event("rewound", place, {"step": place.step or self._battle.first_step or 0})

    def _gap(self, place: Place, of: str, first: int, last: int | None) -> Event[Place]:
        return self._event("gap", place, {"of": of, "from": first, "to": last})

    def _records(self, after: Place, until: Place | None) -> tuple[Records, bool]:
        """The next records, and whether there are more; a whole long past is thinned for who asked for no place."""
        count = steps.count(self._path)
        start = self._index(after, count)[0]
        stop = count if until is None else self._index(until, count)[0]
        if after == Place(seq=after.seq) and stop - start > MOST_CURVE_POINTS:
            return steps.thin(steps.read(self._path, start, stop), MOST_CURVE_POINTS), False
        return steps.read(self._path, start, min(stop, start + MOST_RECORDS)), stop - start > MOST_RECORDS

    def _index(self, place: Place, count: int) -> tuple[int, bool]:
        """How many records somebody at this place has, and whether what he had behind them was done again since."""
        if place.step == 0:
            return 0, False
        had = self._bisect(count, lambda record: int(record["step"]) <= place.step)
        last = steps.read(self._path, had - 1, had) if had else steps.NO_RECORDS
        is_same = len(last) and int(last["step"][0]) == place.step and _milliseconds(last[0]) == place.time_ms
        if place.time_ms == _ANY_TIME or is_same or not count:
            return had, False
        return self._bisect(count, lambda record: _milliseconds(record) <= place.time_ms), True

    def _bisect(self, count: int, is_before: Callable[[Any], bool]) -> int:
        """How many records are before, by a few of them: a battle may have a million."""
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            record = steps.read(self._path, middle, middle + 1)
            if len(record) and is_before(record[0]):
                low = middle + 1
            else:
                high = middle
        return low

    def _new_entries(self, after: Place, until: Place | None) -> list[ChronicleEntry]:
        entries = self._entries.filter(source_seq__gt=after.seq)
        if until is not None:
            entries = entries.filter(source_seq__lte=until.seq)
        return list(entries[:MOST_ENTRIES])

    def _in_order(
        self, place: Place, records: Records, more: bool, entries: list[ChronicleEntry]
    ) -> Iterator[Event[Place]]:
        """What of both was written before that whose successors are not read yet, in the order of time."""
        times = np.maximum.accumulate(records["time"])
        horizon = times[-1] if more else math.inf
        if len(entries) == MOST_ENTRIES:
            records = records[: np.searchsorted(times, entries[-1].time.timestamp(), side="right")]
        for entry in entries:
            at = entry.time.timestamp()
            if at > horizon:
                break
            before = int(np.searchsorted(times[: len(records)], at, side="right"))
            if before:
                yield (event := self._progress(place, records[:before]))
                place, records, times = event.place, records[before:], times[before:]
            if entry.source_seq > place.seq + 1:
                missing = entry.source_seq - 1
                yield self._gap(replace(place, seq=missing), "events", place.seq + 1, missing)
            place = replace(place, seq=entry.source_seq)
            yield self._told(place, entry)
        for start in range(0, len(records), MOST_RECORDS):
            yield (event := self._progress(place, records[start : start + MOST_RECORDS]))
            place = event.place

    def _progress(self, place: Place, records: Records) -> Event[Place]:
        place = place.at(records)
        last, battle = records[-1], self._battle
        speed = steps.rates(records[-_RATE_RECORDS:])
        left = max(0, battle.total_steps - int(last["quest_step"])) if battle.total_steps is not None else None
        told = {
            "quest": battle.quest.name,
            "state": battle.state,
            "step": place.step,
            "quest_step": int(last["quest_step"]),
            "total_steps": battle.total_steps,
            "loss": finite(last["loss"], 6),
            "learning_rate": finite(last["learning_rate"], 9),
            "grad_norm": finite(last["grad_norm"], 6),
            "time": finite(last["time"], 3),
            "steps_per_second": finite(speed.steps_per_second, 3),
            "tokens_per_second": finite(speed.tokens_per_second, 1),
            "eta_seconds": finite(left / speed.steps_per_second, 1)
            if left is not None and speed.steps_per_second
            else None,
            "points": [
                list(point)
                for point in zip(
                    records["step"].tolist(),
                    steps.column(records["loss"], 6),
                    steps.column(records["learning_rate"], 9),
                    strict=True,
                )
            ],
        }
        return self._event("progress", place, told)

    def _told(self, place: Place, entry: ChronicleEntry) -> Event[Place]:
        told = {
            "seq": entry.source_seq,
            "kind": entry.kind,
            "time": entry.time.timestamp(),
            "step": entry.step,
            "message": entry.message,
            "data": entry.data,
        }
        return self._event(_NAMES.get(entry.kind, entry.kind), place, told)

    def _end(self, after: Place) -> Event[Place]:
        battle = self._battle
        told = {
            "state": battle.state,
            "step": after.step,
            "total_steps": battle.total_steps,
            "quest": battle.quest.name,
        }
        return self._event("end", replace(after, is_end=True), told)

    def _event(self, name: str, place: Place, data: dict[str, Any]) -> Event[Place]:
        return Event(place, encoded(name, str(place), {"type": name, "run": self._id or self._run} | data))


def _milliseconds(record: Any) -> int:
    return int(record["time"] * 1000)


def of_run(run: str) -> Training:
    """Raises NoSuchJob."""
    return Training(settings.WORLD, run)
