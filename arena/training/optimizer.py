"""AdamW, or Muon beside it, with weight decay on matrices only and a rate that is a function of the hero's step."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from arena.hero.model import Hero
from arena.recipe import Recipe
from arena.training import average
from arena.training.muon import Muon

LEAST_SHARE = 0.1
"""Linear and cosine schedules end at this share of the learning rate."""


def build(hero: Hero, recipe: Recipe) -> torch.optim.Optimizer:
    """Matrices decay; norms and biases (one dimension) do not.

    With `optimizer: muon` it trains the matrices between embeddings and head, whole or LoRA's, and AdamW the rest. The
    moments are made here: a first step that runs out of memory among them could not be tried again.
    """
    parameters = list(hero.trainable.values())
    hidden = hidden_matrices(hero) if recipe.optimizer == "muon" else []
    rest = [parameter for parameter in parameters if not any(parameter is matrix for matrix in hidden)]
    groups = [
        {"params": [parameter for parameter in rest if parameter.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [parameter for parameter in rest if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    betas = (recipe.beta1, recipe.beta2)
    if not hidden:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=betas, fused=True)
    else:
        optimizer = Muon(
            hidden,
            groups,
            lr=recipe.learning_rate,
            ratio=recipe.muon_ratio,
            momentum=recipe.muon_momentum,
            weight_decay=recipe.weight_decay,
            betas=betas,
        )
    for parameter in hidden:
        optimizer.state[parameter] = {"momentum_buffer": torch.zeros_like(parameter)}
    for parameter in rest:
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    if recipe.weight_average:
        average.begin(hero, optimizer)
    return optimizer


def hidden_matrices(hero: Hero) -> list[nn.Parameter]:
    """What Muon trains: every trainable matrix but those of embeddings and of the head."""
    modules = [module for module in hero.model.modules() if isinstance(module, nn.Embedding)]
    ends = [*modules, hero.causal_lm.get_output_embeddings()]
    beyond = {id(parameter) for module in ends if module is not None for parameter in module.parameters()}
    return [parameter for parameter in hero.trainable.values() if parameter.ndim == 2 and id(parameter) not in beyond]


def learning_rate(recipe: Recipe, step: int, *, moments_since: int = 0) -> float:
    """For optimizer step `step` of the hero's life, the first being 1: the schedule goes on across quests.

    It warms up from `moments_since`, the step after which the optimizer's moments began.
    """
    rate = _scheduled(recipe, step)
    fresh = step - moments_since
    return rate * fresh / recipe.warmup_steps if fresh <= recipe.warmup_steps else rate


def _scheduled(recipe: Recipe, step: int) -> float:
    if step <= recipe.warmup_steps:
        return recipe.learning_rate
    progress = min(1.0, step / recipe.schedule_steps)
    if recipe.schedule == "linear":
        return recipe.learning_rate * (1 - (1 - LEAST_SHARE) * progress)
    if recipe.schedule == "cosine":
        return recipe.learning_rate * (LEAST_SHARE + (1 - LEAST_SHARE) * (1 + math.cos(math.pi * progress)) / 2)
    return recipe.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Of every group; Muon's group keeps its ratio to the others."""
    for group in optimizer.param_groups:
        group["lr"] = value * group.get("ratio", 1.0)


def step_if(optimizer: torch.optim.Optimizer, allowed: Tensor) -> None:
    """One update, or none at all where `allowed` (bool, shape (), on the weights' device) is false.

    AdamW's fused kernel and Muon look at the flag on the device, so the host waits for nothing: what torch's GradScaler
    does for float16.
    """
    optimizer.found_inf = (~allowed).float()  # type: ignore[attr-defined]
    optimizer.grad_scale = None  # type: ignore[attr-defined]
    optimizer.step()
