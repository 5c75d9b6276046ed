"""A battle's statistics in words, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from arena.statistics.battle import BattleStatistics

COLUMNS = 80
_LABEL = 13
SHOWN = 8
"""Anomalies and validation sets that are named."""


def lines(statistics: BattleStatistics) -> Iterator[str]:
    """One line each, none longer than COLUMNS."""
    for label, text in _parts(statistics):
        wrapped = textwrap.wrap(text, COLUMNS - _LABEL, break_on_hyphens=False) or [""]
        yield f"{label:<{_LABEL}}{wrapped[0]}".rstrip()
        yield from (" " * _LABEL + line for line in wrapped[1:])


def _parts(told: BattleStatistics) -> Iterator[tuple[str, str]]:
    yield "battle", f"{told.battle} ({told.state})"
    if told.quest:
        yield "quest", f"{told.quest}, hero {told.hero}"
    yield "steps", f"{told.steps_done:,} of {_whole(told.total_steps)}{_until(told)}"
    yield "time", _time(told)
    yield from _convergence(told)
    yield "speed", _speed(told)
    if told.update_coverage:
        yield "moved", _coverage(told)
    yield from _memory(told)
    yield "saves", _saves(told)
    yield "bottleneck", told.bottleneck_summary
    for threshold in told.thresholds:
        if not threshold.met and threshold.name != told.bottleneck:
            yield "", f"{threshold.name}: {threshold.message}"
    yield "anomalies", f"{len(told.anomalies)}" if told.anomalies else "none"
    for anomaly in told.anomalies[-SHOWN:]:
        where = f" ({anomaly.tensor} at {list(anomaly.index)})" if anomaly.tensor and anomaly.index is not None else ""
        yield "", f"{anomaly.message}{where}"
    counts = ", ".join(f"{count} {kind}" for kind, count in told.errors.counts.items())
    yield "errors", counts or "none"


def _until(told: BattleStatistics) -> str:
    return "" if told.last_step is None else f", the hero's {told.first_step:,} to {told.last_step:,}"


def _time(told: BattleStatistics) -> str:
    time = told.time
    parts = [
        (time.steps, "steps"),
        (time.saving, "saving"),
        (time.validation, "scoring"),
        (time.answering, "answering"),
    ]
    shares = [f"{what} {share:.0%}" for seconds, what in parts if (share := time.share(seconds)) is not None]
    rest = f", {_seconds(time.resting)} at rest" if time.resting >= 1 else ""
    left = "" if told.eta_seconds is None else f"; about {_seconds(told.eta_seconds)} left"
    return f"{_seconds(time.elapsed)}{rest}{left}; {', '.join(shares) or 'nothing measured'}"


def _convergence(told: BattleStatistics) -> Iterator[tuple[str, str]]:
    seen = told.convergence
    if seen.loss_avg is None or seen.loss_variance is None:
        yield "loss", "--" if seen.loss_last is None else f"{seen.loss_last:.4f}; too few steps for a mean"
    else:
        trend = "diverged" if seen.diverged else "stagnates" if seen.stagnation_detected else "falls"
        best = "" if seen.loss_best is None else f", best {seen.loss_best:.4f} at step {seen.loss_best_step:,}"
        yield "loss", f"{seen.loss_avg:.4f} ± {seen.loss_variance**0.5:.4f} over the last {seen.window}{best}; {trend}"
    for one in seen.validation[:SHOWN]:
        rows = f", {one.rows} rows" if one.rows else ""
        yield "", f"{one.name}: {one.first:.4f} → {one.last:.4f}, best {one.best:.4f} at step {one.best_step:,}{rows}"
    if len(seen.validation) > SHOWN:
        yield "", f"and {len(seen.validation) - SHOWN} more sets"


def _speed(told: BattleStatistics) -> str:
    speed = told.throughput
    parts = [
        (speed.steps_per_second, "steps/s"), (speed.tokens_per_second, "tokens/s"),
        (speed.samples_per_second, "rows/s"),
    ]  # fmt: skip
    said = [f"{value:,.4g} {unit}" if value < 1000 else f"{value:,.0f} {unit}" for value, unit in parts if value]
    cores = [] if told.cpu_cores is None else [f"{told.cpu_cores:.2f} cores busy"]
    return ", ".join([*said, *cores]) or "--"


def _coverage(told: BattleStatistics) -> str:
    covered = told.update_coverage
    assert covered is not None
    parts = [
        (covered.weights, "of the weights"), (covered.vocabulary_rows, "of the vocabulary"),
        (covered.vocabulary_rows_in_data, "of its rows in the data"),
    ]  # fmt: skip
    shares = [f"{share:.1%} {what}" for share, what in parts if share is not None]
    times = covered.average_updates_per_row
    return ", ".join(shares) + (f"; each token of the data {times:,.1f} times" if times is not None else "")


def _memory(told: BattleStatistics) -> Iterator[tuple[str, str]]:
    memory = told.memory
    yield "memory", f"peak {_mb(memory.peak_mb)}, estimated {_mb(memory.estimated_peak_mb)}"
    for part in memory.components:
        if part.measured_mb is not None or part.estimated_mb is not None:
            yield "", f"{part.name:<12}{_mb(part.measured_mb):>14}, estimated {_mb(part.estimated_mb):>14}"
    if memory.allocator and memory.allocator.fragmentation is not None:
        held = memory.allocator
        yield "", f"the allocator holds {_mb(held.reserved_mb)}, {held.fragmentation:.1%} of it in fragments"


def _saves(told: BattleStatistics) -> str:
    saves = told.checkpoints
    failed = f", {saves.failed} failed" if saves.failed else ""
    stall = "" if saves.stall_seconds_avg is None else f"; training stood still {saves.stall_seconds_avg:.3f} s for one"
    write = "" if saves.write_seconds_avg is None else f", written in {saves.write_seconds_avg:.2f} s"
    return f"{saves.count}{failed}{stall}{write}"


def _mb(value: float | None) -> str:
    return "--" if value is None else f"{value:,.1f} MB"


def _whole(value: int | None) -> str:
    return "--" if value is None else f"{value:,}"


def _seconds(value: float) -> str:
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{value:.1f} s"
