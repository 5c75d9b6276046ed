"""Orders to lower the learning rate of the battle under way, carried out or refused in words."""

from __future__ import annotations

import logging
from collections.abc import Callable

from arena import rate_orders
from arena.models import Battle
from arena.protocol import RATE_FILE
from arena.rate_orders import RateOrder
from realm.disk import durable
from realm.world import World

log = logging.getLogger(__name__)


def obey(
    world: World,
    battle_under_way: Callable[[], Battle | None],
    *,
    tell: Callable[..., None],
    on_damaged: Callable[[str], None],
) -> bool:
    """Put what was ordered where the trainer, this one or its successor, finds it; returns whether something was."""
    lowered = False
    for path, order in rate_orders.MAILBOX.waiting(world, on_damaged=on_damaged):
        log.info("learning rate %g asked by %s", order.learning_rate, order.by)
        refusal = _refusal(world, battle_under_way(), order)
        if refusal:
            tell("order_refused", f"The learning rate stays: {refusal}", act="rate")
        else:
            durable.write_json(world.battles / order.battle / RATE_FILE, {"learning_rate": order.learning_rate})
            lowered = True
        path.unlink(missing_ok=True)
    return lowered


def _refusal(world: World, battle: Battle | None, order: RateOrder) -> str:
    if battle is None or battle.battle_id != order.battle:
        return f"{order.battle} is over"
    return rate_orders.why_refused(world, battle, order.learning_rate)
