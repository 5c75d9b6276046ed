"""The packing certificate: examples give the same loss packed as alone by the model's ordinary attention, or the battle
does not start.

Packing goes wrong silently: neighbours that see each other, positions that do not restart, a label across a boundary.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from arena.training.batch import IGNORE, Batch, Example, join
from arena.training.data import PackedQuest
from arena.training.hero import Hero
from arena.training.loss import plain_losses, token_losses

SAMPLE_ROWS = 2
TOLERANCE = 1e-5
"""Largest allowed difference of an example's mean loss, in nats, for float32."""


class PackingFault(Exception):
    """Packed and unpacked loss differ: the attention of this model leaks between examples."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    examples: int
    largest_difference: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.largest_difference <= self.tolerance

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


@torch.no_grad()
def certify(hero: Hero, quest: PackedQuest) -> Certificate:
    """Compare the examples of the fullest rows, packed and alone, in float32 with dropout off."""
    fullest = sorted(range(len(quest.rows)), key=lambda row: (-len(quest.rows[row]), row))[:SAMPLE_ROWS]
    examples = [[quest.examples[index] for index in quest.rows[row]] for row in fullest]
    was_training = hero.model.training
    hero.model.eval()
    packed = _example_losses(hero, quest.batch(fullest))
    alone = [_loss_alone(hero, example) for row in examples for example in row]
    hero.model.train(was_training)
    differences = [abs(a - b) for a, b in zip(packed, alone, strict=True)]
    return Certificate(examples=len(alone), largest_difference=max(differences, key=_nan_last), tolerance=TOLERANCE)


def _nan_last(value: float) -> tuple[bool, float]:
    """`max` alone passes over a NaN that is not the first."""
    return math.isnan(value), value


def check(certificate: Certificate) -> None:
    """Raises PackingFault if the certificate does not hold."""
    if not certificate.holds:
        raise PackingFault(
            f"packing changes the loss of an example by {certificate.largest_difference:.2e}, "
            f"more than {certificate.tolerance:.0e}: this model cannot be trained packed"
        )


def _example_losses(hero: Hero, batch: Batch) -> list[float]:
    """Mean loss of each example, in order."""
    losses_N = token_losses(hero, batch.to(hero.device)).cpu()
    owners_N = batch.example_of_token[batch.labels_1T != IGNORE]
    return [losses_N[owners_N == example].double().mean().item() for example in range(len(batch.lengths))]


def _loss_alone(hero: Hero, example: Example) -> float:
    return plain_losses(hero, join([example]).to(hero.device)).double().mean().item()
