"""The form that lowers the learning rate of the battle under way."""

from __future__ import annotations

from dataclasses import dataclass

from arena import rate_orders
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class RateForm:
    recipe: float | None
    """What the recipe of the battle under way gives; None where there is no such battle."""
    entered: str = ""
    refusal: str = ""
    asked: float | None = None
    """What was ordered just now."""

    @property
    def may_be_lowered(self) -> bool:
        return self.recipe is not None and self.recipe > 0


def rate_form(world: World, *, entered: str = "", refusal: str = "", asked: float | None = None) -> RateForm:
    battle = rate_orders.battle_under_way()
    recipe = rate_orders.recipe_rate(world, battle) if battle else None
    return RateForm(recipe=recipe, entered=entered, refusal=refusal, asked=asked)
