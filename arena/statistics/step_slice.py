"""Steps of a battle from one to another, each against the steps before it: what a replay is played from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from arena import steps
from arena.protocol import STEPS_FILE
from arena.step_search import place_of
from arena.steps import Floats, Records, finite

MOST_STEPS = 5000
FORGET = 0.96
"""By which the running mean and spread of the losses forget with each step; as in static/js/home/scene/blows.js."""
FEWEST_KNOWN = 10
"""Losses before which nothing is called unusual."""
MEMORY = 200
"""Steps back; what lies farther weighs less than 0.0003."""
CRIT_SPREADS, GLANCE_SPREADS = 1.0, 2.0
_DIGITS = 6


class Hit(StrEnum):
    """How a step's loss lies to the running mean of those before it."""

    HIT = "hit"
    CRIT = "crit"
    """More than CRIT_SPREADS spreads below it."""
    GLANCE = "glance"
    """More than GLANCE_SPREADS above it."""


@dataclass(frozen=True, kw_only=True)
class StepPoint:
    step: int
    """Of the hero's life."""
    quest_step: int
    time: float
    """Unix seconds at the end of the step."""
    loss: float | None
    """Mean over its trained tokens, natural log; None where it is not finite."""
    mean: float | None
    """Running mean of the finite losses before this one; None before there are FEWEST_KNOWN."""
    spread: float | None
    """Running root mean square of how far each of them was from the mean before it."""
    hit: Hit
    learning_rate: float | None
    grad_norm: float | None
    step_seconds: float | None
    tokens: int
    trained_tokens: int


@dataclass(frozen=True, kw_only=True)
class StepSlice:
    battle: str
    first: int | None
    """Step of the battle's first record; None before there is one."""
    last: int | None
    count: int
    """Records of the whole battle."""
    next: int | None
    """The step that the next slice begins with; None where this one holds all that was asked for."""
    steps: list[StepPoint]


def read(folder: Path, *, since: int = 0, until: int | None = None, limit: int = MOST_STEPS) -> StepSlice:
    """The records of the hero's steps `since` to `until`, the first `limit` of them."""
    path = folder / STEPS_FILE
    start, stop, count = _places(path, since, until)
    end = min(stop, start + limit)
    records = steps.read(path, max(0, start - MEMORY), end)
    points = _points(records, np.arange(min(start, MEMORY), len(records)))
    following = steps.read(path, end, end + 1) if points and end < stop else steps.NO_RECORDS
    return _slice(folder, count, points, int(following["step"][0]) if len(following) else None)


def thinned(folder: Path, *, points: int, since: int = 0, until: int | None = None) -> StepSlice:
    """About `points` of the records of the hero's steps `since` to `until`, every stretch's lowest and highest loss
    among them; each is held against all the steps before it."""
    path = folder / STEPS_FILE
    start, stop, count = _places(path, since, until)
    records = steps.read(path, max(0, start - MEMORY), stop)
    own = records[min(start, MEMORY) :]
    kept = steps.thin(own, points)
    places = min(start, MEMORY) + np.searchsorted(own["step"], kept["step"])
    return _slice(folder, count, _points(records, places), None)


def one(folder: Path, step: int) -> StepPoint | None:
    """The hero's `step` in this battle; None where it holds none."""
    found = read(folder, since=step, until=step, limit=1).steps
    return found[0] if found else None


def hit_of(loss: float | None, mean: float | None, spread: float | None) -> Hit:
    if loss is None or mean is None or not spread:
        return Hit.HIT
    if loss < mean - CRIT_SPREADS * spread:
        return Hit.CRIT
    return Hit.GLANCE if loss > mean + GLANCE_SPREADS * spread else Hit.HIT


def _places(path: Path, since: int, until: int | None) -> tuple[int, int, int]:
    """Of the first record asked for and the one behind the last; and how many there are."""
    count = steps.count(path)
    stop = count if until is None else place_of(path, until + 1, steps.DTYPE.itemsize)
    return min(place_of(path, since, steps.DTYPE.itemsize), stop), stop, count


def _points(records: Records, places: Any) -> list[StepPoint]:
    mean, spread = _running(records["loss"], places)
    kept = records[places]
    return [
        _point(record, mean=finite(average, _DIGITS), spread=finite(deviation, _DIGITS))
        for record, average, deviation in zip(kept, mean.tolist(), spread.tolist(), strict=True)
    ]


def _running(loss: Floats, places: Any) -> tuple[Floats, Floats]:
    """Mean and spread of what lies before each of `places`, float64; NaN before there is enough."""
    total, weight, square, known = (np.zeros(len(places)) for _ in range(4))
    for back in range(MEMORY, 0, -1):
        at = places - back
        value = loss[np.maximum(at, 0)].astype(np.float64)
        there = (at >= 0) & np.isfinite(value)
        value = np.where(there, value, 0.0)
        mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
        off = np.where(weight > 0, value - mean, 0.0)
        total = np.where(there, FORGET * total + (1 - FORGET) * value, total)
        square = np.where(there, FORGET * square + (1 - FORGET) * off**2, square)
        weight = np.where(there, FORGET * weight + (1 - FORGET), weight)
        known += there
    enough = np.where(known >= FEWEST_KNOWN, weight, np.nan)
    return total / enough, np.sqrt(square / enough)


def _point(record: Any, *, mean: float | None, spread: float | None) -> StepPoint:
    loss = finite(record["loss"], _DIGITS)
    return StepPoint(
        step=int(record["step"]),
        quest_step=int(record["quest_step"]),
        time=float(record["time"]) if math.isfinite(record["time"]) else 0.0,
        loss=loss,
        mean=mean,
        spread=spread,
        hit=hit_of(loss, mean, spread),
        learning_rate=finite(record["learning_rate"], 9),
        grad_norm=finite(record["grad_norm"], _DIGITS),
        step_seconds=finite(record["step_seconds"], _DIGITS),
        tokens=int(record["tokens"]),
        trained_tokens=int(record["trained_tokens"]),
    )


def _slice(folder: Path, count: int, points: list[StepPoint], following: int | None) -> StepSlice:
    path = folder / STEPS_FILE
    first, last = steps.read(path, 0, min(1, count)), steps.read(path, count - 1, count) if count else steps.NO_RECORDS
    return StepSlice(
        battle=folder.name,
        first=int(first["step"][0]) if len(first) else None,
        last=int(last["step"][-1]) if len(last) else None,
        count=count,
        next=following,
        steps=points,
    )
