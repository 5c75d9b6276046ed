"""AdamW with weight decay on matrices only, and a learning rate that is a function of the hero's step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arena.hero.model import Hero
from arena.recipe import Recipe

LEAST_SHARE = 0.1
"""Linear and cosine schedules end at this share of the learning rate."""


def build(hero: Hero, recipe: Recipe) -> torch.optim.AdamW:
    """Matrices decay; norms and biases (one dimension) do not.

    The moments are made here: a first step that runs out of memory among them could not be tried again.
    """
    parameters = list(hero.trainable.values())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        fused=True,
    )
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def learning_rate(recipe: Recipe, step: int) -> float:
    """For optimizer step `step` of the hero's life, the first being 1: it goes on across quests."""
    if step <= recipe.warmup_steps:
        return recipe.learning_rate * step / recipe.warmup_steps
    progress = min(1.0, step / recipe.schedule_steps)
    if recipe.schedule == "linear":
        return recipe.learning_rate * (1 - (1 - LEAST_SHARE) * progress)
    if recipe.schedule == "cosine":
        return recipe.learning_rate * (LEAST_SHARE + (1 - LEAST_SHARE) * (1 + math.cos(math.pi * progress)) / 2)
    return recipe.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value


def step_if(optimizer: torch.optim.Optimizer, allowed: Tensor) -> None:
    """One fused update, or none at all where `allowed` (bool, shape (), on the weights' device) is false.

    The kernel looks at the flag itself, so the host waits for nothing: what torch's GradScaler does for float16.
    """
    optimizer.found_inf = (~allowed).float()  # type: ignore[attr-defined]
    optimizer.grad_scale = None  # type: ignore[attr-defined]
    optimizer.step()
