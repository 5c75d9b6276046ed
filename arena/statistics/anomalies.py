"""What stands out in a battle: losses and gradients that jump, numbers that are none, weights that leap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from arena import battle_errors
from arena.battle_errors import Errors
from arena.convergence import WINDOW
from arena.protocol import EventKind
from arena.statistics.coverage import UpdateCoverage
from arena.statistics.source import Source, mapping
from arena.steps import Records

Series = npt.NDArray[np.float64]

DEVIATIONS = 6.0
"""A jump is this many standard deviations above the mean of the WINDOW steps before it …"""
LOSS_RATIO, NORM_RATIO = 1.5, 5.0
"""… and this many times that mean: a calm stretch makes small waves look large."""
WEIGHT_RATIO = 5.0
"""Times the median distance a step that a checkpoint's weights moved farther than those of the others."""
MOST_NAMED = 100
LAST_ERRORS = 5
_AT_ONCE = 2**14


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """`value` is what was seen, `expected` what was usual there; the rest names the place."""

    kind: str
    """`loss_jump`, `grad_norm_jump`, `weight_jump`, `non_finite` or `divergence`."""
    step: int
    value: float | None = None
    expected: float | None = None
    tensor: str | None = None
    """Of a step that was not finite: the first tensor, in the order of computing, that held such a number."""
    index: tuple[int, ...] | None = None
    """Of that number in it, counted from 0."""
    lines: tuple[int, ...] = ()
    """Of the quest's file: the rows that the step trained on."""
    message: str


@dataclass(frozen=True, kw_only=True)
class ErrorSummary:
    """Faults and failures of the battle, those of steps that were undone included."""

    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0
    per_thousand_steps: float | None = None
    kinds: dict[str, Errors] = field(default_factory=dict)
    last: tuple[str, ...] = ()
    """In words, the newest last."""


def detect(source: Source, records: Records, coverage: list[UpdateCoverage]) -> list[Anomaly]:
    """All of them in the order of steps; of jumps the largest MOST_NAMED of each kind."""
    found = [
        *_jumps("loss_jump", "loss", records["step"], records["loss"], LOSS_RATIO),
        *_jumps("grad_norm_jump", "gradient norm", records["step"], records["grad_norm"], NORM_RATIO),
        *_recorded_as_none(records),
        *_faults(source),
        *_weight_jumps(coverage),
    ]
    return sorted(found, key=lambda one: (one.step, one.kind))


def _jumps(kind: str, what: str, at: npt.NDArray[Any], values: npt.NDArray[Any], ratio: float) -> Iterator[Anomaly]:
    sound = np.isfinite(values)
    at, series = at[sound], values[sound].astype(np.float64)
    found = [jump for start in range(0, max(0, len(series) - WINDOW), _AT_ONCE) for jump in _in(series, start, ratio)]
    largest = sorted(found, key=lambda jump: jump[1] - series[jump[0]])[:MOST_NAMED]
    for place, mean in largest:
        value, step = float(series[place]), int(at[place])
        message = f"step {step}: {what} {value:.4g}, {value / mean:.1f} times what the {WINDOW} steps before had"
        yield Anomaly(kind=kind, step=step, value=value, expected=mean, message=message)


def _in(series: Series, start: int, ratio: float) -> list[tuple[int, float]]:
    """(place, mean before it) of the jumps among _AT_ONCE values behind the WINDOW ones from `start`."""
    part = series[start : start + _AT_ONCE + WINDOW]
    views = np.lib.stride_tricks.sliding_window_view(part, WINDOW)[:-1]
    means, values = views.mean(axis=1), part[WINDOW:]
    (large,) = np.nonzero(values > ratio * means)  # few: only these are worth their deviation
    deviations = views[large].std(axis=1)
    jumped = large[values[large] > means[large] + DEVIATIONS * deviations]
    return [(start + WINDOW + int(place), float(means[place])) for place in jumped if means[place] > 0]


def _recorded_as_none(records: Records) -> Iterator[Anomaly]:
    """Steps of releases that wrote down what was not finite."""
    none = ~(np.isfinite(records["loss"]) & np.isfinite(records["grad_norm"]))
    for step in records["step"][none][:MOST_NAMED].tolist():
        yield Anomaly(kind="non_finite", step=step, message=f"step {step}: loss or gradient norm is not finite")


def _faults(source: Source) -> Iterator[Anomaly]:
    for event in source.events:
        kind = event.data.get("fault")
        if event.kind == EventKind.FAULT and kind in ("non_finite", "divergence"):
            place = mapping(event.data.get("not_finite"))
            yield Anomaly(
                kind=str(kind),
                step=event.step,
                tensor=str(place["tensor"]) if place.get("tensor") else None,
                index=_whole(place.get("index")) if place else None,
                lines=_whole(event.data.get("lines")) or (),
                message=event.message,
            )


def _whole(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(isinstance(one, int) for one in value):
        return None
    return tuple(value)


def _weight_jumps(coverage: list[UpdateCoverage]) -> Iterator[Anomaly]:
    """By how much farther from the beginning each checkpoint is than the one before, a step."""
    moved = [
        (after, (after.change - before.change) / (after.step - before.step))
        for before, after in pairwise(coverage)
        if before.change is not None and after.change is not None and after.step > before.step
    ]
    usual = float(np.median([abs(by) for _, by in moved])) if len(moved) > 2 else math.inf
    for one, by in moved:
        if usual > 0 and by > WEIGHT_RATIO * usual:
            told = f"{one.checkpoint}: its weights moved {by / usual:.0f} times as far a step as is usual here"
            where = f", {one.most_changed} most" if one.most_changed else ""
            yield Anomaly(
                kind="weight_jump", step=one.step, value=by, expected=usual, tensor=one.most_changed,
                message=f"{told}{where}",
            )  # fmt: skip


def error_summary(source: Source, steps_done: int) -> ErrorSummary:
    """Counted by what went wrong."""
    kinds = battle_errors.errors_by_kind(source.events)
    total = battle_errors.total(kinds)
    last = [event.message for event in source.events if event.kind in battle_errors.KINDS][-LAST_ERRORS:]
    return ErrorSummary(
        counts={kind: own.count for kind, own in kinds.items()},
        total=total,
        per_thousand_steps=1000 * total / steps_done if steps_done else None,
        kinds=kinds,
        last=tuple(last),
    )
