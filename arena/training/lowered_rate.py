"""The learning rate as the player lowered it while the battle ran.

The wish lies in a file of the battle's folder; from when on it held, the battle's events say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from arena.protocol import RATE_FILE, Event, EventKind, Order


@dataclass(frozen=True, slots=True)
class LoweredRate:
    """The changes that this battle has told of."""

    events: tuple[Event, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> LoweredRate:
        return cls(tuple(event for event in events if event.kind == EventKind.RATE_CHANGED))

    @property
    def newest(self) -> float | None:
        return float(self.events[-1].data["learning_rate"]) if self.events else None

    def scale(self, quest_step: int, recipe_rate: float) -> float:
        """Share of the recipe's rate for the step after `quest_step` of the quest.

        Steps before a change that are done again are done as they were.
        """
        rates = [
            float(event.data["learning_rate"]) for event in self.events if int(event.data["quest_step"]) <= quest_step
        ]
        return rates[-1] / recipe_rate if rates else 1.0


def wanted(order: Order) -> float | None:
    """What the player asked of this battle, never above its recipe; None where nothing was asked."""
    try:
        value = json.loads((Path(order.battle_folder) / RATE_FILE).read_bytes())["learning_rate"]
    except FileNotFoundError:
        return None
    return min(float(value), order.recipe.learning_rate)
