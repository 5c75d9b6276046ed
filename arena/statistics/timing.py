"""Where a battle's time went: runs and rests, steps, saving, scoring, answering; its speed, and what is left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from arena import steps
from arena.protocol import Event, EventKind
from arena.statistics.source import BEGINNINGS, Source, mapping, number
from arena.steps import Records, finite


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """By the time that steps take; tokens are real ones, padding left out. `*_now` are of the last minute trained."""

    steps_per_second: float | None
    tokens_per_second: float | None
    trained_tokens_per_second: float | None
    """Of tokens with a label."""
    samples_per_second: float | None
    """Rows of the quest; an average over the battle, since a step does not say how many it held."""
    steps_per_second_now: float | None
    tokens_per_second_now: float | None


@dataclass(frozen=True, kw_only=True)
class StepSplit:
    """Seconds of the average step, as the trainer measured them; None where it did not, or not on this device."""

    steps: int
    """That were measured."""
    data: float | None
    """Putting the step's rows together."""
    forward_backward: float | None
    update: float | None
    """The optimizer."""


@dataclass(frozen=True, kw_only=True)
class TimeSplit:
    """Seconds of the whole battle. Steps, saving, validation, answering and other add up to `active`."""

    elapsed: float
    """From its beginning to the last thing it did, rests included."""
    active: float
    """Of these, with a run under way."""
    resting: float
    runs: int
    steps: float
    saving: float
    """That training stood still for checkpoints; they are written beside it."""
    validation: float
    answering: float
    other: float
    """Between all these, with steps that had to be done again."""
    step: StepSplit | None

    def share(self, seconds: float | None) -> float | None:
        """Of the active time."""
        return None if seconds is None or not self.active > 0 else seconds / self.active


@dataclass(frozen=True, kw_only=True)
class Saves:
    """Checkpoints of the battle. A stall is how long training stood still for one; None where none was measured."""

    count: int
    failed: int
    refused: int
    stall_seconds_avg: float | None
    stall_seconds_max: float | None
    write_seconds_avg: float | None
    """On a thread of its own, beside the training."""
    write_seconds_max: float | None


def throughput(source: Source, records: Records) -> Throughput:
    seconds = float(records["step_seconds"].sum(dtype=np.float64))
    now = steps.rates(records[-_most_of_a_minute(records) :])

    def each(total: float | None) -> float | None:
        return finite(total / seconds) if total is not None and seconds > 0 else None

    samples = _samples_per_step(source)
    return Throughput(
        steps_per_second=each(len(records)),
        tokens_per_second=each(float(records["tokens"].sum(dtype=np.int64))),
        trained_tokens_per_second=each(float(records["trained_tokens"].sum(dtype=np.int64))),
        samples_per_second=each(samples * len(records)) if samples else None,
        steps_per_second_now=finite(now.steps_per_second),
        tokens_per_second_now=finite(now.tokens_per_second),
    )


def _most_of_a_minute(records: Records) -> int:
    if not len(records):
        return 1
    return max(1, int((records["time"] >= records["time"][-1] - steps.RATE_SECONDS).sum()))


def _samples_per_step(source: Source) -> float | None:
    begun = source.newest(*BEGINNINGS)
    data, epochs = (begun.data if begun else {}), (source.order.recipe.epochs if source.order else 1)
    own, total = number(data.get("examples")), number(data.get("total_steps"))
    if own is None or not total:
        return None
    rehearsed = (number(data.get("rehearsed")) or 0.0) * (number(data.get("rehearsal_passes")) or 0.0)
    return (own + rehearsed) * epochs / total


def eta_seconds(source: Source, records: Records, total_steps: int | None) -> float | None:
    """By the speed of the last minute, as the pages reckon; None once the battle is over or nothing is known."""
    ending = source.ending
    if total_steps is None or (ending and ending.kind != EventKind.BATTLE_PAUSED):
        return None
    done = int(records["quest_step"][-1]) if len(records) else 0
    speed = steps.rates(records[-_most_of_a_minute(records) :]).steps_per_second
    return finite(max(0, total_steps - done) / speed) if speed else None


def time_split(source: Source, records: Records) -> TimeSplit:
    runs = list(_runs(source, records))
    active = sum(end - begin for begin, end in runs)
    elapsed = runs[-1][1] - runs[0][0] if runs else 0.0
    stepping = float(records["step_seconds"].sum(dtype=np.float64))
    saving = sum(_stalls(source.events))
    validation = _seconds(source.events, EventKind.VALIDATED)
    answering = _seconds(source.events, EventKind.ANSWERED)
    beside = saving + validation + answering
    if str(source.told("device", *BEGINNINGS)).startswith("cuda"):  # its clock runs on between two steps
        stepping = max(0.0, stepping - beside)
    active = max(active, stepping + beside)  # clocks that were set back
    return TimeSplit(
        elapsed=max(elapsed, active), active=active, resting=max(0.0, elapsed - active), runs=len(runs),
        steps=stepping, saving=saving, validation=validation, answering=answering,
        other=max(0.0, active - stepping - beside), step=step_split(source.events),
    )  # fmt: skip


def _runs(source: Source, records: Records) -> Iterator[tuple[float, float]]:
    """(begin, end) of each run in Unix seconds; one that was killed ends with the last thing that it said or did."""
    begins = [event.time for event in source.events if event.kind in BEGINNINGS]
    if not begins and len(records):  # nothing tells of its beginning but its first step
        begins = [float(records["time"][0]) - float(records["step_seconds"][0])]
    told = np.array([event.time for event in source.events] or [0.0])
    for begin, until in zip(begins, [*begins[1:], math.inf][: len(begins)], strict=True):
        last = [times[(times >= begin) & (times < until)] for times in (told, records["time"])]
        yield begin, max((float(found.max()) for found in last if len(found)), default=begin)


def _stalls(events: Iterable[Event]) -> list[float]:
    """Seconds that training stood still for each checkpoint that says so."""
    saved = [event.data for event in events if event.kind == EventKind.CHECKPOINT_SAVED]
    told = [(number(data.get("stall_seconds")), number(data.get("wait_seconds"))) for data in saved]
    return [(stall or 0.0) + (wait or 0.0) for stall, wait in told if stall is not None]


def _seconds(events: Iterable[Event], kind: EventKind) -> float:
    return sum(number(event.data.get("seconds")) or 0.0 for event in events if event.kind == kind)


def saves(source: Source) -> Saves:
    saved = [event for event in source.events if event.kind == EventKind.CHECKPOINT_SAVED]
    stalls = _stalls(saved)
    writes = [seconds for event in saved if (seconds := number(event.data.get("write_seconds"))) is not None]
    return Saves(
        count=len(saved),
        failed=sum(event.kind == EventKind.CHECKPOINT_FAILED for event in source.events),
        refused=sum(event.kind == EventKind.CHECKPOINT_REFUSED for event in source.events),
        stall_seconds_avg=sum(stalls) / len(stalls) if stalls else None,
        stall_seconds_max=max(stalls, default=None),
        write_seconds_avg=sum(writes) / len(writes) if writes else None,
        write_seconds_max=max(writes, default=None),
    )


def measured_between(events: Iterable[Event]) -> list[dict[str, float]]:
    """What the trainer measured of its own work from each checkpoint to the next, numbers only."""
    told = (mapping(event.data.get("work")) for event in events if event.kind == EventKind.CHECKPOINT_SAVED)
    numbers = ({key: number(value) for key, value in one.items()} for one in told)
    return [{key: value for key, value in one.items() if value is not None} for one in numbers if one]


def step_split(events: Iterable[Event]) -> StepSplit | None:
    """None where no checkpoint says how its steps' time went."""
    parts = measured_between(events)
    count = int(sum(part.get("steps", 0) for part in parts))
    if not count:
        return None

    def each(key: str) -> float | None:
        told = [part for part in parts if key in part and part.get("steps")]
        taken = sum(part["steps"] for part in told)
        return sum(part[key] for part in told) / taken if taken else None

    return StepSplit(
        steps=count,
        data=each("data_seconds"),
        forward_backward=each("forward_backward_seconds"),
        update=each("update_seconds"),
    )


def cpu_cores(events: Iterable[Event]) -> float | None:
    """How many of the machine's cores the trainer kept busy on average; None where it was not measured."""
    parts = [part for part in measured_between(events) if part.get("wall_seconds") and "cpu_seconds" in part]
    wall = sum(part["wall_seconds"] for part in parts)
    return sum(part["cpu_seconds"] for part in parts) / wall if wall > 0 else None
