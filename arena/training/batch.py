"""What one forward pass reads: examples one behind the other, without padding. Shapes: T tokens of a micro-batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arena.hero.device import sent_to
from arena.rows.example import IGNORE, Example


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch: packed rows joined to one, without padding; examples of `lengths` tokens one behind the other.

    `trained_N` are the slots that have a label, `targets_N` those labels: found on the host, because to find them on a
    GPU would make the host wait for it.
    """

    inputs_1T: Tensor
    labels_1T: Tensor
    positions_1T: Tensor
    trained_N: Tensor
    targets_N: Tensor
    lengths: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return self.inputs_1T.numel()

    @property
    def trained_tokens(self) -> int:
        return self.trained_N.numel()

    @property
    def example_of_token(self) -> Tensor:
        """For each token the number of its example, counted from 0; shape (1, T), on the host."""
        return torch.repeat_interleave(torch.tensor(self.lengths))[None]

    def to(self, device: torch.device) -> Batch:
        return Batch(
            inputs_1T=sent_to(self.inputs_1T, device),
            labels_1T=sent_to(self.labels_1T, device),
            positions_1T=sent_to(self.positions_1T, device),
            trained_N=sent_to(self.trained_N, device),
            targets_N=sent_to(self.targets_N, device),
            lengths=self.lengths,
        )


def join(examples: Sequence[Example]) -> Batch:
    """One behind the other; positions restart at 0 in each."""
    lengths = tuple(len(example) for example in examples)
    inputs = np.concatenate([example.inputs for example in examples])
    labels = np.concatenate([example.labels for example in examples])
    positions = np.concatenate([np.arange(length) for length in lengths])
    trained = np.flatnonzero(labels != IGNORE)
    inputs_1T, labels_1T, positions_1T = (torch.from_numpy(array)[None] for array in (inputs, labels, positions))
    trained_N, targets_N = torch.from_numpy(trained), torch.from_numpy(labels[trained])
    return Batch(inputs_1T, labels_1T, positions_1T, trained_N, targets_N, lengths)
