"""The packing certificate: packed examples give the loss and the gradient that they give alone, or no battle starts.

Packing goes wrong silently: neighbours that see each other, positions that do not restart, a label across a boundary.
Three checks, with dropout off:

- the loss of whole examples, packed, against each alone by the model's own forward pass;
- the gradient of a few shortened ones, packed, against the sum of theirs alone;
- poison: every second example is replaced by other tokens, and the losses between must stay what they were. This one
  runs in the precision and by the attention of the battle, the other two in float32 wherever the weights are.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arena.hero.model import Hero, UnloadableHero, dropout_off
from arena.rows.example import Example
from arena.training.batch import Batch, join
from arena.training.data import PackedQuest
from arena.training.loss import own_losses, plain_losses

SAMPLE_ROWS = 2
SAMPLE_EXAMPLES = 8
GRADIENT_EXAMPLES = 4
GRADIENT_LENGTH = 128
"""Tokens of an example whose gradient is compared: activations of whole ones may not fit in memory."""

TOLERANCE = 1e-5
"""In float32: nats of an example's mean loss, and the gradient difference's norm over the gradient's."""
ROUNDED_TOLERANCE = 0.05
"""The same where frozen weights are kept in half precision or less: what is left is their rounding (2⁻⁸ a product)."""


class PackingFault(Exception):
    """Packed and unpacked training differ: the attention of this model leaks between examples, or is not computed."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    examples: int
    largest_difference: float
    largest_gradient_difference: float
    largest_leak: float
    tolerance: float
    leak_tolerance: float

    @property
    def faults(self) -> list[str]:
        """What was found, in words; `not <=` because NaN is a fault too."""
        measured = [
            ("packing changes the loss of an example", self.largest_difference, self.tolerance),
            ("packing changes the gradient, relative to its norm,", self.largest_gradient_difference, self.tolerance),
            ("an example's loss leaks into its neighbour's", self.largest_leak, self.leak_tolerance),
        ]
        return [f"{what} by {value:.2e}, more than {most:.0e}" for what, value, most in measured if not value <= most]

    @property
    def holds(self) -> bool:
        return not self.faults

    def summary(self) -> str:
        """For the player, in the line of the log that begins a battle; its figures stand in the event's data."""
        return "packing proven"

    def to_data(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


def certify(hero: Hero, quest: PackedQuest) -> Certificate:
    """Measure the fullest rows of `quest`. Random state and the model's mode are left as they were, gradients as none.

    Raises UnloadableHero for a model whose attention cannot be computed here at all.
    """
    if not hero.causal_lm._supports_sdpa:
        raise UnloadableHero(
            f"{type(hero.causal_lm).__name__} changes attention scores in a way of its own (a cap or a sink), "
            "which packed training does not compute"
        )

    # Packed against alone, as exactly as can be; then, as it will be trained, whether one example sees another.
    examples = _sample(quest)
    with dropout_off(hero), _random_state_kept(hero), _most_exact(hero):
        with torch.no_grad():
            difference = _largest_difference(hero, examples)
        gradient_difference = _gradient_difference(hero, examples)
    with dropout_off(hero), _random_state_kept(hero), hero.autocast(), torch.no_grad():
        leak = _largest_leak(hero, examples)

    tolerance = TOLERANCE if _is_float32(hero) else ROUNDED_TOLERANCE
    return Certificate(
        examples=len(examples),
        largest_difference=difference,
        largest_gradient_difference=gradient_difference,
        largest_leak=leak,
        tolerance=tolerance,
        leak_tolerance=_leak_tolerance(hero),
    )


def check(certificate: Certificate) -> None:
    """Raises PackingFault if the certificate does not hold."""
    if not certificate.holds:
        raise PackingFault(f"{'; '.join(certificate.faults)}: this model cannot be trained packed")


def _sample(quest: PackedQuest) -> list[Example]:
    """Some of the examples of the fullest rows, evenly spread, in their order."""
    fullest = heapq.nsmallest(SAMPLE_ROWS, range(len(quest.rows)), key=lambda row: (-len(quest.rows[row]), row))
    examples = [quest.examples[index] for row in fullest for index in quest.rows[row]]
    return examples[:: math.ceil(len(examples) / SAMPLE_EXAMPLES)]


def _largest_difference(hero: Hero, examples: Sequence[Example]) -> float:
    """Of the examples' mean losses, packed and alone, in nats."""
    packed = _example_losses(hero, join(examples))
    alone = [_loss_alone(hero, example) for example in examples]
    return max((abs(a - b) for a, b in zip(packed, alone, strict=True)), key=_nan_last)


def _gradient_difference(hero: Hero, examples: Sequence[Example]) -> float:
    """Norm of the difference between the packed gradient and the sum of those alone, over the norm of that sum.

    Of the sum of losses towards wrong tokens: towards the right ones, a hero that knows them has a gradient so small
    that rounding is all of it.
    """
    shortened = [_shortened(hero, example) for example in examples[:: math.ceil(len(examples) / GRADIENT_EXAMPLES)]]
    try:
        for example in shortened:
            _add_gradient(plain_losses(hero, _alone(hero, example)).sum())
        norm = _gradient_norm(hero)
        _add_gradient(-own_losses(hero, join(shortened).to(hero.device)).sum())
        return (_gradient_norm(hero) / norm).item()
    finally:
        hero.model.zero_grad(set_to_none=True)


def _largest_leak(hero: Hero, examples: Sequence[Example]) -> float:
    """How far a token's loss moves, in nats, when the examples on both sides of its own become others."""
    batch = join(examples)
    clean_N, owners_N = own_losses(hero, batch.to(hero.device)).cpu(), _owners(batch)
    leaks = [0.0]
    for half in (0, 1):
        poisoned = [
            replace(example, inputs=_other_tokens(hero, example)) if number % 2 == half else example
            for number, example in enumerate(examples)
        ]
        moved_N = (own_losses(hero, join(poisoned).to(hero.device)).cpu() - clean_N).abs()
        leaks += moved_N[owners_N % 2 != half].tolist()
    return max(leaks, key=_nan_last)


def _example_losses(hero: Hero, batch: Batch) -> list[float]:
    """Mean loss of each example, in order."""
    losses_N, owners_N = own_losses(hero, batch.to(hero.device)).cpu(), _owners(batch)
    return [losses_N[owners_N == number].double().mean().item() for number in range(len(batch.lengths))]


def _loss_alone(hero: Hero, example: Example) -> float:
    return plain_losses(hero, _alone(hero, example)).double().mean().item()


def _alone(hero: Hero, example: Example) -> Batch:
    return join([example]).to(hero.device)


def _owners(batch: Batch) -> Tensor:
    """For each trained token the number of its example, shape (N,)."""
    return batch.example_of_token[0, batch.trained_N]


def _shortened(hero: Hero, example: Example) -> Example:
    """Its first tokens, with a wrong label on each."""
    return Example(example.line, example.inputs[:GRADIENT_LENGTH], _other_tokens(hero, example)[:GRADIENT_LENGTH])


def _other_tokens(hero: Hero, example: Example) -> np.ndarray:
    vocabulary = hero.causal_lm.config.get_text_config().vocab_size
    other: np.ndarray = (example.inputs + vocabulary // 2) % vocabulary
    return other


def _add_gradient(loss: Tensor) -> None:
    """To `.grad`, as training does it: a second set of gradients might not fit in memory beside the moments."""
    torch.autograd.backward(loss)


def _gradient_norm(hero: Hero) -> Tensor:
    gradients = (parameter.grad for parameter in hero.trainable.values() if parameter.grad is not None)
    return torch.stack([gradient.double().square().sum() for gradient in gradients]).sum().sqrt()


def _nan_last(value: float) -> tuple[bool, float]:
    """`max` alone passes over a NaN that is not the first."""
    return math.isnan(value), value


def _is_float32(hero: Hero) -> bool:
    """Quantised weights are kept as integers."""
    return all(parameter.dtype == torch.float32 for parameter in hero.model.parameters())


def _most_exact(hero: Hero) -> torch.autocast:
    """Float32 where all weights are; else what the battle runs under, since no float32 model is there to compare."""
    return torch.autocast(hero.device.type, enabled=False) if _is_float32(hero) else hero.autocast()


def _leak_tolerance(hero: Hero) -> float:
    """Nothing at all: what belongs to one example never meets another's.

    Only experts compute tokens of several examples together, in groups that change with any of them, so that the order
    of sums does: there a leak is told from rounding by its size.
    """
    config = hero.causal_lm.config.get_text_config()
    experts = any(getattr(config, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts"))
    if not experts:
        return 0.0
    return TOLERANCE if _is_float32(hero) and hero.compute_dtype == torch.float32 else ROUNDED_TOLERANCE


@contextmanager
def _random_state_kept(hero: Hero) -> Iterator[None]:
    with torch.random.fork_rng(devices=[hero.device] if hero.device.type == "cuda" else []):
        yield
