"""An exponential average of the weights: the hero is the average, and training goes on from the weights under it.

Constant rates leave weights swinging around what they learn, from step to step; their average does not. Outside of a
step the model holds the average, so whatever scores, asks, saves or exports it means that; the weights that train lie
beside the optimizer's moments, as `training`, and take its place for the time of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from arena.hero.model import Hero
from arena.recipe import Recipe

PART = "training"
"""Of an optimizer's state of a parameter."""
_BEGINNING = 10
"""Steps over which the average begins to reach back: what a fresh hero was at first is soon forgotten."""


def begin(hero: Hero, optimizer: torch.optim.Optimizer) -> None:
    """From here on `hero` is an average, which is at first what it trains from."""
    for parameter in hero.trainable.values():
        optimizer.state[parameter][PART] = parameter.detach().clone()


@contextmanager
def training_weights(hero: Hero, optimizer: torch.optim.Optimizer, recipe: Recipe, *, age: int) -> Iterator[None]:
    """For the time of one step the weights that train; behind it they are averaged in. `age`: steps done before it.

    Raises nothing of its own; a step that fails leaves the average as it was.
    """
    if not recipe.weight_average:
        yield
        return
    parameters = list(hero.trainable.values())
    states = [optimizer.state[parameter] for parameter in parameters]
    averages = [parameter.data for parameter in parameters]
    try:
        for parameter, state in zip(parameters, states, strict=True):
            parameter.data = state[PART]
        yield
        share = 1 - min(recipe.weight_average, (1 + age) / (_BEGINNING + age))
        torch._foreach_lerp_(averages, [parameter.data for parameter in parameters], share)
    finally:
        for parameter, state, average in zip(parameters, states, averages, strict=True):
            state[PART], parameter.data = parameter.data, average
