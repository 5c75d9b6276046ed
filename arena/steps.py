"""Reading `steps.bin` while the trainer appends to it: counting, tails, thinning, rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tsdownsample import NaNMinMaxDownsampler

from arena import protocol
from realm.world import World

Records = npt.NDArray[np.void]
Floats = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.int64]

DTYPE = np.dtype(protocol.STEP_DTYPE)
NO_RECORDS: Records = np.empty(0, DTYPE)

MOST_CURVE_POINTS = 2000
RATE_SECONDS = 60.0
EMA_DECAY = 0.98
REST_SECONDS = 3.0
"""Saving and answering take less between two steps; what takes longer was a rest."""
_THINNER: Any = NaNMinMaxDownsampler  # the package brings no types
_EMA_WINDOW = 1024  # 0.98 ** 1024 is 1e-9: what lies further back does not show


def path_of(world: World, battle: str) -> Path:
    return world.battles / battle / protocol.STEPS_FILE


def count(path: Path) -> int:
    """Whole records in the file; a half-written last one waits until it is whole."""
    try:
        return path.stat().st_size // DTYPE.itemsize
    except FileNotFoundError:
        return 0


def read(path: Path, start: int, stop: int) -> Records:
    """Records `start` to `stop`; fewer if the file has been cut meanwhile."""
    if stop <= start:
        return NO_RECORDS
    try:
        with open(path, "rb") as file:
            file.seek(start * DTYPE.itemsize)
            data = file.read((stop - start) * DTYPE.itemsize)
    except FileNotFoundError:
        return NO_RECORDS
    return np.frombuffer(data, DTYPE, count=len(data) // DTYPE.itemsize)


def thin(records: Records, most: int) -> Records:
    """At most `most` records that keep the first, the last, and every stretch's lowest and highest loss.

    A stretch with a NaN loss is shown by that record, so a broken step stays visible in a long battle.
    """
    return records if len(records) <= most else np.asarray(records[kept_places(records, most)])


def kept_places(records: Records, most: int) -> Places:
    """Where the records stand that `thin` keeps, int64, rising."""
    if len(records) <= most:
        return np.arange(len(records))
    loss = np.ascontiguousarray(records["loss"])
    inner = _THINNER().downsample(loss, n_out=(most - 2) // 2 * 2)
    return np.unique(np.concatenate(([0], inner.astype(np.int64), [len(records) - 1])))


@dataclass(frozen=True)
class Rates:
    steps_per_second: float | None
    tokens_per_second: float | None
    """Real tokens, padding left out."""


def rates(records: Records) -> Rates:
    """Speed now, by wall clock: gaps of the last minute, the newer ones weighing more.

    A rest or a restart between two steps is no part of the speed: such a gap counts as the step alone.
    """
    if not len(records):
        return Rates(None, None)
    times = records["time"]
    window = records[times >= times[-1] - RATE_SECONDS]
    gaps = np.maximum(np.diff(window["time"]), 0.0)
    steps = window["step_seconds"][1:].astype(np.float64)
    seconds = np.where(gaps > REST_SECONDS + 3 * steps, steps, gaps)
    if not seconds.sum() > 0:
        window, seconds = records[-1:], records["step_seconds"][-1:].astype(np.float64)
    if not seconds.sum() > 0:
        return Rates(None, None)
    finished = window[-len(seconds) :]
    weights = np.exp((finished["time"] - finished["time"][-1]) * 2 / RATE_SECONDS)
    total = float((weights * seconds).sum())
    return Rates(float(weights.sum()) / total, float((weights * finished["tokens"]).sum()) / total)


def ema(loss: Floats) -> float | None:
    """Exponential moving average of the finite losses with bias correction: the weights sum to one."""
    recent = loss[-_EMA_WINDOW:].astype(np.float64)
    weights = EMA_DECAY ** np.arange(len(recent) - 1, -1, -1)
    sound = np.isfinite(recent)
    if not sound.any():
        return None
    return float((recent[sound] * weights[sound]).sum() / weights[sound].sum())


def finite(value: float | None, digits: int = 12) -> float | None:
    """A number that JSON can carry, or None."""
    return round(float(value), digits) if value is not None and math.isfinite(value) else None


def column(values: Floats, digits: int) -> list[float | None]:
    """A column as JSON numbers; what is not finite becomes None."""
    rounded: list[float] = np.round(values.astype(np.float64), digits).tolist()
    return [value if math.isfinite(value) else None for value in rounded]
