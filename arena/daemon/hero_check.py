"""Whether the hero can be trained at all: asked before a quest is, and again when its model or the settings change."""

from __future__ import annotations

import functools
from pathlib import Path

from arena.confined.asking import verdict_of
from arena.confined.probe import ADAPTER_FILE, Asked
from arena.confined.weights import WEIGHT_FILES
from arena.profiles.machine import machine
from arena.recipe import Recipe
from arena.rows import tokenizer
from realm.checkpoints import sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.world import World

_TRAINED_BYTES = 16
"""Of memory for each number that is trained: itself, its gradient and two moments, in float32."""
_FROZEN_BYTES = {"float32": 4, "bfloat16": 2}


def refusal_of(world: World, config: RealmConfig, recipe: Recipe) -> str:
    """What is wrong with the model of the hero, in a sentence; empty where nothing is, or nobody can tell yet."""
    newest = tokenizer.find(world, config)
    checkpoint = newest if newest is not None and newest.parent == world.heroes / config.hero else None
    model = (_whole(checkpoint) if checkpoint else None) or _base(world, config)
    if model is None:
        return ""
    asked = Asked(
        model=str(model),
        tokenizer=str(checkpoint or model),
        max_length=recipe.max_length,
        memory_bytes=_memory_bytes(),
        bytes_a_number=_bytes_a_number(recipe),
    )
    refusal = verdict_of(asked).refusal
    return "" if refusal and checkpoint and _is_damaged(checkpoint) else refusal


def _whole(checkpoint: Path) -> Path | None:
    """The checkpoint that holds all weights: this one, or that under its adapter. None: the base model has them."""
    if not (checkpoint / ADAPTER_FILE).exists():
        return checkpoint
    try:
        name = sidecar.read(checkpoint).adapter_base
    except (DamagedCheckpoint, OSError):
        return None
    return checkpoint.parent / name if name and step_of(name) is not None else None


def _base(world: World, config: RealmConfig) -> Path | None:
    """The folder of the base model; None before the embedded hero is made, or a hub's model is downloaded."""
    named = Path(config.base_model or "").expanduser()
    if named.is_absolute():
        return named
    folder = tokenizer.base_folder(world, config)
    return folder if folder is not None and any(folder.glob(WEIGHT_FILES)) else None


def _bytes_a_number(recipe: Recipe) -> int:
    """Of memory for each of the weights; those of mode qlora have 4 bits, and a few more."""
    if recipe.mode == "full":
        return _TRAINED_BYTES
    return _FROZEN_BYTES[recipe.dtype] if recipe.mode == "lora" else 1


def _is_damaged(checkpoint: Path) -> bool:
    """Then the trainer sets it aside, and goes on from the one before."""
    try:
        sidecar.verify(checkpoint, quick=True)
    except (DamagedCheckpoint, OSError):
        return True
    return False


@functools.cache
def _memory_bytes() -> int:
    return machine().memory_bytes
