"""The recipe of a battle as its order has it, and what of it is another than in the hero's battle before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from arena.models import Battle
from arena.profiles.fitting import short_number
from arena.protocol import ORDER_FILE, Order
from realm.world import World


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
    order = _order(world, battle)
    if order is None:
        return None
    keys = _keys(order)
    before = Battle.objects.filter(hero=battle.hero, pk__lt=battle.pk).order_by("-pk").first()
    earlier = _order(world, before) if before else None
    changes = None
    if earlier is not None:
        old = _keys(earlier)
        changed = [key for key in keys if keys[key] != old.get(key)]
        changes = tuple(Change(key=key, before=old.get(key, "--"), after=keys[key]) for key in changed)
    return BattleRecipe(reason=order.recipe_reason, keys=tuple(keys.items()), changes=changes)


def _order(world: World, battle: Battle) -> Order | None:
    try:
        return Order.read(world.battles / battle.battle_id / ORDER_FILE)
    except (OSError, ValueError):
        return None


def _keys(order: Order) -> dict[str, str]:
    shown = {key: _shown(value) for key, value in asdict(order.recipe).items()}
    return shown | {"base_model": order.base_model}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return short_number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "all"
    return str(value)
