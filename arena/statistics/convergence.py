"""Whether a battle's loss still falls, over all of its steps at once: the same rules as arena.convergence's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arena import steps
from arena.convergence import DIVERGED_OFFSET, DIVERGED_RATIO, LEAST_GAIN, LEAST_STEPS, PATIENCE, WINDOW
from arena.protocol import EventKind
from arena.statistics.source import BEGINNINGS, Source, mapping, number
from arena.steps import finite

Series = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

WINDOWS = 10
"""Equal stretches of the battle, each with its mean and variance."""
_AT_ONCE = 2**14


@dataclass(frozen=True, kw_only=True)
class LossWindow:
    """One stretch of the battle; loss in nats."""

    first_step: int
    last_step: int
    loss_avg: float
    loss_variance: float


@dataclass(frozen=True, kw_only=True)
class SetLosses:
    """The loss over one set of rows that are never trained on. Those of different sets are never compared."""

    name: str
    rows: int | None
    sha256: str | None
    first: float
    best: float
    best_step: int
    last: float
    last_step: int


@dataclass(frozen=True, kw_only=True)
class ConvergenceMetrics:
    """Of the training loss, in nats; rolling figures are over the last `window` steps and None before 20 of them."""

    window: int = WINDOW
    loss_last: float | None
    loss_ema: float | None
    loss_avg: float | None
    loss_variance: float | None
    loss_best: float | None
    """The lowest rolling mean, or the loss before the first step where that was lower."""
    loss_best_step: int | None
    stagnation_detected: bool
    """The rolling mean has not fallen by a hundredth of its best for 500 steps."""
    steps_without_gain: int
    diverged: bool
    """The rolling mean is above twice its best and half a nat."""
    windows: tuple[LossWindow, ...]
    validation: tuple[SetLosses, ...]


def metrics(source: Source, at: Steps, loss: Series) -> ConvergenceMetrics:
    """Of `loss` at the hero's steps `at`, both of shape (steps,), in order; what is not finite counts for nothing."""
    since, loss_before = _beginning(source)
    chosen = np.isfinite(loss) & (at > since)
    sound_at, sound = at[chosen], loss[chosen]
    means = rolling_means(sound)
    mean = float(means[-1]) if len(means) else None
    best, best_step = _best(sound_at, sound, means, loss_before)
    idle = _without_gain(means)
    return ConvergenceMetrics(
        loss_last=finite(float(loss[-1])) if len(loss) else None,
        loss_ema=finite(steps.ema(loss)),
        loss_avg=finite(mean),
        loss_variance=finite(float(np.var(sound[-WINDOW:]))) if mean is not None else None,
        loss_best=finite(best),
        loss_best_step=best_step,
        stagnation_detected=idle >= PATIENCE,
        steps_without_gain=idle,
        diverged=mean is not None and best is not None and mean > best * DIVERGED_RATIO + DIVERGED_OFFSET,
        windows=tuple(_windows(sound_at, sound)),
        validation=tuple(_validation(source)),
    )


def rolling_means(loss: Series) -> Series:
    """The rolling mean after each step from the LEAST_STEPS-th on, over at most WINDOW steps: shape (steps - 19,)."""
    early = np.array([loss[:end].mean() for end in range(LEAST_STEPS, min(WINDOW, len(loss) + 1))])
    if len(loss) < WINDOW:
        return early
    # A kept sum would carry the rounding of a huge loss on; each window is summed anew.
    views = np.lib.stride_tricks.sliding_window_view(loss, WINDOW)
    whole = [views[start : start + _AT_ONCE].mean(axis=1) for start in range(0, len(views), _AT_ONCE)]
    return np.concatenate([early, *whole])


def _beginning(source: Source) -> tuple[int, float | None]:
    """The step after which the optimizer began anew, and the loss that the battle began from, where it is of that."""
    begun = source.standing(*BEGINNINGS)
    anew = [event.step for event in begun if event.data.get("weights_only") is True]
    since = max(anew, default=-1)
    first = next((event for event in begun if event.kind == EventKind.BATTLE_STARTED), None)
    measured = first is not None and first.step >= since
    return since, number(first.data.get("loss_before")) if first and measured else None


def _best(at: Steps, loss: Series, means: Series, loss_before: float | None) -> tuple[float | None, int | None]:
    """As the battle's own judgement begins: from the loss before it, else from its first step's."""
    if not len(loss):
        return None, None
    best, step = float(loss[0]) if loss_before is None else loss_before, int(at[0]) - 1
    if len(means) and means.min() < best:
        lowest = int(means.argmin())
        best, step = float(means[lowest]), int(at[lowest + LEAST_STEPS - 1])
    return best, step


def _without_gain(means: Series) -> int:
    """Steps since the rolling mean last fell by LEAST_GAIN of what it was at the gain before."""
    if not len(means):
        return 0
    lowest = -np.minimum.accumulate(means)  # rising, so that it can be searched
    gained = 0
    while True:
        following = int(np.searchsorted(lowest, -float(means[gained]) * (1 - LEAST_GAIN), side="right"))
        if following >= len(means) or following <= gained:
            return len(means) - 1 - gained
        gained = following


def _windows(at: Steps, loss: Series) -> Iterator[LossWindow]:
    for steps_, part in zip(np.array_split(at, WINDOWS), np.array_split(loss, WINDOWS), strict=True):
        if len(part):
            yield LossWindow(
                first_step=int(steps_[0]),
                last_step=int(steps_[-1]),
                loss_avg=float(part.mean()),
                loss_variance=float(part.var()),
            )


def validation_points(source: Source) -> dict[tuple[str, int | None, str | None], list[tuple[int, float]]]:
    """(step, loss) of each set, in order; a set is its name and the digest of its rows, so that no line mixes two."""
    points: dict[tuple[str, int | None, str | None], list[tuple[int, float]]] = {}
    for event in source.standing(EventKind.VALIDATED):
        losses, sets = mapping(event.data.get("losses")), mapping(event.data.get("sets"))
        if not losses and number(event.data.get("val_loss")) is not None:  # releases that knew one set of all
            over = mapping(event.data.get("val_set"))
            losses = {str(over.get("name") or "validation"): event.data["val_loss"]}
            sets = dict.fromkeys(losses, over)
        for name, loss in losses.items():
            measured = number(loss)
            if measured is None:
                continue
            over = mapping(sets.get(name))
            key = (str(name), over.get("rows"), over.get("sha256"))
            points.setdefault(key, []).append((event.step, measured))
    return points


def _validation(source: Source) -> Iterator[SetLosses]:
    for (name, rows, digest), points in validation_points(source).items():
        best_step, best = min(points, key=lambda point: point[1])
        yield SetLosses(
            name=name, rows=rows, sha256=digest,
            first=points[0][1], best=best, best_step=best_step, last=points[-1][1], last_step=points[-1][0],
        )  # fmt: skip
