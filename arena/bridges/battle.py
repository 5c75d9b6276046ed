"""A battle as the tools see it: a run with its recipe as configuration, its tags, and points by the hero's step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arena.protocol import ORDER_FILE, STEPS_FILE, Event, EventKind
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World

PROJECT = "realm-of-training"
_MOST_ORDER_BYTES = 16 * 1024**2
_SHOWN = ("quest", "hero", "branch", "base_model", "skill", "level", "recipe_reason")


@dataclass(frozen=True)
class Point:
    step: int
    """Of the hero's whole life."""
    time: float
    """Unix seconds."""
    values: Mapping[str, float]
    """By tag, such as `train/loss`; what is not finite stays so."""


@dataclass(frozen=True)
class BattleRun:
    battle: str
    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


def battles(world: World) -> list[str]:
    """Those that have steps or an order, the one that trained last first."""
    found = {
        path.parent: path.stat().st_mtime
        for name in (ORDER_FILE, STEPS_FILE)
        for path in world.battles.glob(f"*/{name}")
    }
    return [folder.name for folder in sorted(found, key=lambda folder: (-found[folder], folder.name))]


def run_of(world: World, battle: str) -> BattleRun:
    """An order that is missing or damaged costs the configuration alone."""
    folder = world.battles / battle
    try:
        order = _mapping(json.loads(read_regular(folder / ORDER_FILE, most_bytes=_MOST_ORDER_BYTES)))
    except (OSError, UnfitFile, ValueError, RecursionError):
        order = {}
    recipe = _mapping(order.get("recipe"))
    config = {"battle": battle} | {name: order[name] for name in _SHOWN if order.get(name) not in (None, "")}
    named = (order.get("hero"), order.get("quest"), order.get("skill"), recipe.get("mode"))
    return BattleRun(battle, folder, config | recipe, tuple(str(one) for one in named if one))


def points_of_event(event: Event) -> Mapping[str, float]:
    """What an event measured, by tag; empty for one that measured nothing."""
    data = event.data
    values: dict[str, Any] = {}
    if event.kind == EventKind.VALIDATED:
        values = {f"val/{name}": loss for name, loss in _mapping(data.get("losses")).items()}
        values["val/loss"] = data.get("val_loss")
    elif event.kind == EventKind.CHECKPOINT_SAVED:
        values = {f"checkpoint/{name}": data.get(name) for name in ("size_bytes", "stall_seconds", "write_seconds")}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
