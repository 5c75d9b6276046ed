"""Lowering the learning rate of a battle under way: what the player orders, and what lies in the battle's folder.

The daemon puts the rate into the battle's folder, where a killed trainer's successor finds it too; the trainer takes it
from its next step on and writes an event, which is what resuming goes by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from arena.models import Battle
from arena.protocol import ORDER_FILE, Order
from arena.selectors import waits_for_its_hero
from realm.disk.mailbox import Mailbox
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class RateOrder:
    battle: str
    learning_rate: float
    by: str


MAILBOX = Mailbox(RateOrder, ".rate.json")


class RateRefused(ValueError):
    """One sentence for the player."""


def lower(world: World, learning_rate: float, *, by: str) -> RateOrder:
    """Leave the order to go on with `learning_rate` in the battle that is fought or rests. Raises RateRefused.

    Schedule and warm-up go on in proportion, and so do Muon's matrices.
    """
    battle = battle_under_way()
    if battle is None:
        raise RateRefused("no battle is under way; set training.learning_rate for the next one")
    refusal = why_refused(world, battle, learning_rate)
    if refusal:
        raise RateRefused(refusal)
    order = RateOrder(battle=battle.battle_id, learning_rate=learning_rate, by=by)
    MAILBOX.leave(world, order, label="rate")
    return order


def battle_under_way() -> Battle | None:
    rows = Battle.objects.filter(state__in=(Battle.State.TRAINING, Battle.State.PAUSED))
    return rows.exclude(waits_for_its_hero()).order_by("-state", "-id").first()


def why_refused(world: World, battle: Battle, learning_rate: float) -> str:
    """Why the battle cannot go on with this rate; empty if it can."""
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        return f"a learning rate is a number above 0, not {learning_rate:g}"
    recipe = recipe_rate(world, battle)
    if recipe is None:
        return f"the order of {battle.battle_id} cannot be read"
    if learning_rate > recipe:
        return f"{learning_rate:g} is above the {recipe:g} of its recipe; a battle under way can only be lowered"
    return ""


def recipe_rate(world: World, battle: Battle) -> float | None:
    """The learning rate that the battle's recipe names; None where its order cannot be read."""
    try:
        return Order.read(Path(world.battles) / battle.battle_id / ORDER_FILE).recipe.learning_rate
    except (OSError, ValueError):
        return None


def parse(text: str) -> float:
    """Raises RateRefused."""
    try:
        return float(text)
    except ValueError:
        raise RateRefused(f"{text!r} is no number; a learning rate is written as 1e-3 or 0.001") from None
