"""What is measured held against what it should be, and the one thing named that costs a battle most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arena.statistics.coverage import UpdateCoverage
from arena.statistics.memory import MemoryReport
from arena.statistics.source import BEGINNINGS, Source, mapping, number
from arena.statistics.timing import TimeSplit

MOST_DATA, MOST_SAVING, MOST_EVALUATION, MOST_OTHER = 0.05, 0.1, 0.2, 0.1
"""Shares of the active time."""
LEAST_COVERAGE = 0.9
"""Of the vocabulary rows that occur in the data, after a whole epoch."""
LEAST_UPDATES = 5.0
"""Of such a row, on average, after a whole epoch: a token met less often is hardly learned."""
MOST_MEMORY = 0.95
"""Of what the device has."""
MOST_SLOWDOWN = 1.25
"""Time a step against what an equal battle took before."""
LEAST_CPU = 0.6
"""Of the threads that the trainer may use, kept busy, where it trains on the CPU."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    name: str
    value: float
    limit: float
    met: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    thresholds: tuple[Threshold, ...]
    """Of what was measured; what was not is left out."""
    bottleneck: str | None
    """Name of the threshold of time that is missed by most; None where none is."""
    summary: str
    """One sentence."""


def judge(
    source: Source,
    time: TimeSplit,
    *,
    memory: MemoryReport,
    coverage: UpdateCoverage | None,
    cores: float | None,
    seconds_per_step: float | None,
) -> Judgement:
    """`cores` are those that the trainer kept busy; `seconds_per_step` is of the active time."""
    timed = [*_of_time(time)]
    slow = [*_slowdown(source, seconds_per_step), *_idle_cpu(source, cores)]
    state = [*_of_memory(memory), *_of_coverage(source, coverage)]
    missed = [one for one in (*timed, *slow) if not one.met]
    costly = max((one for one in timed if not one.met), key=lambda one: one.value, default=None)
    worst = costly or (missed[0] if missed else None)
    return Judgement(
        thresholds=(*timed, *slow, *state),
        bottleneck=worst.name if worst else None,
        summary=_summary(time, worst),
    )


def _summary(time: TimeSplit, worst: Threshold | None) -> str:
    if worst:
        return f"The bottleneck is {worst.name}: {worst.message}."
    if not time.active > 0 or not time.steps > 0:
        return "No step was measured yet."
    return f"Nothing holds the training up: {time.steps / time.active:.0%} of the time went into its steps."


def _of_time(time: TimeSplit) -> Iterator[Threshold]:
    data = time.step.data if time.step else None
    stepping = time.steps / time.step.steps if time.step and time.step.steps else None
    parts = [
        ("saving", time.saving, MOST_SAVING, "of the time training stood still for checkpoints"),
        (
            "evaluation",
            time.validation + time.answering,
            MOST_EVALUATION,
            "of the time went into scoring and answering",
        ),
        ("waiting", time.other, MOST_OTHER, "of the time lies between the steps and in steps done again"),
    ]
    for name, seconds, limit, what in parts:
        share = time.share(seconds)
        if share is not None:
            yield _share(name, share, limit, what)
    if data is not None and stepping:
        share = data / stepping * (time.share(time.steps) or 0.0)
        yield _share("data", share, MOST_DATA, "of the time went into putting rows together")


def _share(name: str, value: float, limit: float, what: str) -> Threshold:
    message = f"{value:.0%} {what}, where {limit:.0%} is usual"
    return Threshold(name=name, value=value, limit=limit, met=value <= limit, message=message)


def _slowdown(source: Source, seconds_per_step: float | None) -> Iterator[Threshold]:
    estimate = mapping(source.told("estimate", *BEGINNINGS))
    seconds, steps = number(estimate.get("seconds")), number(estimate.get("steps"))
    if seconds and steps and seconds_per_step:
        value = seconds_per_step / (seconds / steps)
        message = f"a step takes {value:.2f} times as long as in {estimate.get('based_on')}"
        yield Threshold(name="speed", value=value, limit=MOST_SLOWDOWN, met=value <= MOST_SLOWDOWN, message=message)


def _idle_cpu(source: Source, cores: float | None) -> Iterator[Threshold]:
    threads = number(source.told("threads", *BEGINNINGS))
    if cores is None or not threads or source.told("device", *BEGINNINGS) != "cpu":
        return
    value = cores / threads
    message = f"the trainer had {cores:.1f} of the {threads:.0f} cores that it may use"
    yield Threshold(name="processor", value=value, limit=LEAST_CPU, met=value >= LEAST_CPU, message=message)


def _of_memory(memory: MemoryReport) -> Iterator[Threshold]:
    if memory.peak_mb and memory.machine_mb:
        value = memory.peak_mb / memory.machine_mb
        message = f"{value:.0%} of the {memory.machine_mb:,.0f} MB that the device has"
        yield Threshold(name="memory", value=value, limit=MOST_MEMORY, met=value <= MOST_MEMORY, message=message)


def _of_coverage(source: Source, coverage: UpdateCoverage | None) -> Iterator[Threshold]:
    if coverage is None or not _an_epoch_is_done(source, coverage.step):
        return
    if coverage.vocabulary_rows_in_data is not None:
        value = coverage.vocabulary_rows_in_data
        message = f"{value:.1%} of the vocabulary rows that occur in the data have moved"
        yield Threshold(
            name="update_coverage", value=value, limit=LEAST_COVERAGE, met=value >= LEAST_COVERAGE, message=message
        )
    if coverage.average_updates_per_row is not None:
        value = coverage.average_updates_per_row
        message = f"a token of the data was met {value:.1f} times on average"
        yield Threshold(
            name="updates_per_row", value=value, limit=LEAST_UPDATES, met=value >= LEAST_UPDATES, message=message
        )


def _an_epoch_is_done(source: Source, step: int) -> bool:
    first, total = source.told("first_step", *BEGINNINGS), source.told("total_steps", *BEGINNINGS)
    epochs = source.order.recipe.epochs if source.order else 1
    return isinstance(first, int) and isinstance(total, int) and step - first >= total / epochs
