"""The recipe of a battle as its order has it, and what of it is another than in the hero's battle before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from arena.models import Battle
from arena.profiles.fitting import short_number
from arena.protocol import ORDER_FILE, Order
from arena.recipe import Recipe
from arena.selectors import battle_before
from realm.world import World

UNKNOWN = "--"


@dataclass(frozen=True, kw_only=True)
class Change:
    key: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class BattleRecipe:
    reason: str
    """Why this mode and micro-batch; empty for battles of older releases."""
    keys: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...] | None
    """None where no battle of the hero's came before, or its order is gone."""

    @property
    def told(self) -> str:
        """`learning_rate 2e-3 → 1e-4, epochs 1 → 3`; empty where nothing changed."""
        return ", ".join(f"{one.key} {one.before} → {one.after}" for one in self.changes or ())


def battle_recipe(world: World, battle: Battle) -> BattleRecipe | None:
    """None where the battle's order cannot be read any more."""
    order = order_of(world, battle)
    if order is None:
        return None
    keys = keys_of(order)
    before = battle_before(battle)
    earlier = order_of(world, before) if before else None
    changes = changes_between(keys_of(earlier), keys) if earlier else None
    return BattleRecipe(reason=order.recipe_reason, keys=tuple(keys.items()), changes=changes)


def order_of(world: World, battle: Battle) -> Order | None:
    """None where it cannot be read any more."""
    try:
        return Order.read(world.battles / battle.battle_id / ORDER_FILE)
    except (OSError, ValueError):
        return None


def keys_of(order: Order) -> dict[str, str]:
    """Every key of the recipe, and the base model, as people read it."""
    return of_recipe(order.recipe) | {"base_model": order.base_model}


def of_recipe(recipe: Recipe) -> dict[str, str]:
    """Without the base model, which is no part of it."""
    return {key: _shown(value) for key, value in asdict(recipe).items()}


def changes_between(old: dict[str, str], new: dict[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(key=key, before=old.get(key, UNKNOWN), after=value)
        for key, value in new.items()
        if old.get(key) != value
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return short_number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "all"
    return str(value)
