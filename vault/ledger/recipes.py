"""How a checkpoint was trained, as its battle's order and its sidecar tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realm.checkpoints.sidecar import Sidecar
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World

ORDER_FILE = "order.json"
_LARGEST_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Setting:
    key: str
    a: Any
    """None where nobody knows it."""
    b: Any


def settings_of(world: World, saved: Sidecar) -> dict[str, Any]:
    """The recipe of its battle, as long as that one's order lies here, and what its sidecar says besides."""
    told: dict[str, Any] = dict(_recipe(world, saved.battle))
    told |= {"quest": saved.quest, "mode": saved.mode, "base_model": saved.base_model, "epoch": saved.epoch}
    told |= {"learning_rate at the save": saved.learning_rate, "adapter_base": saved.adapter_base}
    return told | {f"version of {name}": version for name, version in saved.versions.items()}


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Setting]:
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield Setting(key=key, a=a.get(key), b=b.get(key))


def _recipe(world: World, battle: str) -> Mapping[str, Any]:
    """Read by its path, and as whatever stands there: orders of other releases have other keys."""
    path = world.battles / battle / ORDER_FILE
    if not battle or path.parent.parent != world.battles:
        return {}
    try:
        told = json.loads(read_regular(path, most_bytes=_LARGEST_BYTES))
    except (OSError, UnfitFile, ValueError, RecursionError):
        return {}
    recipe = told.get("recipe") if isinstance(told, dict) else None
    return recipe if isinstance(recipe, dict) else {}
