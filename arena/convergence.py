"""Whether a battle's loss still falls: rolling mean and variance, stagnation, divergence. Standard library only."""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum

WINDOW = 50
"""Steps that mean and variance are taken over."""
LEAST_STEPS = 20
"""Fewer say nothing yet."""
LEAST_GAIN = 0.01
"""Share of its best rolling mean by which the loss must fall to count as falling."""
PATIENCE = 500
"""Steps without such a gain that are called stagnation."""
DIVERGED_RATIO, DIVERGED_OFFSET = 2.0, 0.5
"""A rolling mean above best * ratio + offset has diverged; in nats, so that a loss near zero may still waver."""


class Trend(StrEnum):
    STAGNATION = "stagnation"
    DIVERGENCE = "divergence"


class Convergence:
    """Fed with every step's loss in order. Sums are taken anew each time: kept ones would carry their rounding on."""

    def __init__(self, loss_before: float | None = None) -> None:
        """`loss_before` is that of many rows before the first step; without it the first step's loss stands for it."""
        self._loss_before = loss_before
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._count = 0
        self._best = math.inf
        self._best_step = 0
        self._milestone = math.inf
        self._milestone_count = 0
        self._told_stagnation = False

    @property
    def mean(self) -> float | None:
        """Rolling mean in nats; None before LEAST_STEPS."""
        return math.fsum(self._losses) / len(self._losses) if len(self._losses) >= LEAST_STEPS else None

    @property
    def variance(self) -> float | None:
        mean = self.mean
        return None if mean is None else math.fsum((loss - mean) ** 2 for loss in self._losses) / len(self._losses)

    @property
    def best_step(self) -> int:
        """The step at which the rolling mean was lowest: where a diverged run should go back to."""
        return self._best_step

    def summary(self) -> str:
        """In words, once there is a mean."""
        spread = math.sqrt(self.variance or 0.0)
        return f"rolling loss {self.mean:.4f} ± {spread:.4f}, its best {self._best:.4f} at step {self._best_step}"

    def add(self, step: int, loss: float) -> Trend | None:
        """Take in one finite loss; a warning is given once, when it begins to hold.

        The best is at first that of the hero as the battle found it, so that a rate that ruins it at once shows too.
        """
        if not self._count:
            self._best, self._best_step = loss if self._loss_before is None else self._loss_before, step - 1
        self._losses.append(loss)
        self._count += 1
        mean = self.mean
        if mean is None:
            return None
        if mean < self._best:
            self._best, self._best_step = mean, step
        if mean < self._milestone * (1 - LEAST_GAIN):
            self._milestone, self._milestone_count, self._told_stagnation = mean, self._count, False
        if mean > self._best * DIVERGED_RATIO + DIVERGED_OFFSET:
            return Trend.DIVERGENCE
        if self._count - self._milestone_count >= PATIENCE and not self._told_stagnation:
            self._told_stagnation = True
            return Trend.STAGNATION
        return None
