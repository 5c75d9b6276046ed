"""Recipes side by side: of a battle against the defaults, of several battles against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arena.models import Battle
from arena.recipe import Recipe
from arena.reports.battle_recipe import UNKNOWN, Change, changes_between, keys_of, of_recipe, order_of
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class RecipeRow:
    """One key over several battles, in their order."""

    key: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def table(world: World, battles: Sequence[Battle]) -> list[RecipeRow]:
    """Every key; of a battle whose order cannot be read any more `--`."""
    orders = [order_of(world, battle) for battle in battles]
    columns = [keys_of(order) if order else {} for order in orders]
    names = [*of_recipe(Recipe()), "base_model"]
    return [RecipeRow(key=key, values=tuple(column.get(key, UNKNOWN) for column in columns)) for key in names]


def from_defaults(world: World, battle: Battle) -> tuple[Change, ...] | None:
    """What of its recipe the shipped one has otherwise; None where its order cannot be read any more."""
    order = order_of(world, battle)
    if order is None:
        return None
    return changes_between(of_recipe(Recipe()), of_recipe(order.recipe))


def between(world: World, before: Battle, after: Battle) -> tuple[Change, ...] | None:
    """None where one of the orders cannot be read any more."""
    orders = (order_of(world, before), order_of(world, after))
    if orders[0] is None or orders[1] is None:
        return None
    return changes_between(keys_of(orders[0]), keys_of(orders[1]))
