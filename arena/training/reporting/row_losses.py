"""The loss of each row of a step, from the losses of its tokens, without making the host wait for the device.

Shapes: N trained tokens of a micro-batch, R rows of it, K rows of the step that are told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from arena.hero.device import sent_to
from arena.training.batch import Batch
from arena.worst_rows import MOST_ROWS, WorstRows


class RowLosses:
    """Of one step. Handed its micro-batches' losses in order, it knows the rows of the highest mean."""

    def __init__(self, batches: Sequence[Batch], lines: Sequence[int]) -> None:
        """`lines` are those of the step's rows, in the order of its micro-batches."""
        self._batches = iter(batches)
        self._lines = lines
        self._means_R: list[Tensor] = []

    def take(self, losses_N: Tensor) -> None:
        counts_R = sent_to(_trained_tokens(next(self._batches)), losses_N.device)
        # Not `unsafe` means that the host waits for a check of the counts.
        self._means_R.append(torch.segment_reduce(losses_N, "mean", lengths=counts_R, unsafe=True))

    def worst(self) -> Tensor:
        """Losses, and the numbers of their rows within the step, float32, shape (2K,), on the device."""
        means = torch.cat(self._means_R)
        values, numbers = means.topk(min(MOST_ROWS, len(means)))
        return torch.cat((values.float(), numbers.float()))

    def named(self, step: int, worst_2K: Sequence[float]) -> WorstRows:
        """`worst_2K` as the host has it by now."""
        kept = len(worst_2K) // 2
        lines = [self._lines[int(number)] for number in worst_2K[kept:]]
        return WorstRows.of(step, len(self._lines), lines, worst_2K[:kept])


def _trained_tokens(batch: Batch) -> Tensor:
    """Of each row, int64, shape (R,), on the host."""
    ends = np.cumsum(batch.lengths)
    return torch.from_numpy(np.diff(np.searchsorted(batch.trained_N.numpy(), ends), prepend=0))
