"""How fast the battle under way trains now, against what it usually does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arena import selectors, steps
from arena.models import Battle
from realm.world import World

_MOST_STEPS, _LEAST_STEPS = 20_000, 200
_RECENT = 50


@dataclass(frozen=True, kw_only=True)
class Speed:
    """In steps a second, by the steps' own durations: rests between them do not count."""

    now: float
    usual: float
    """The median over the battle's last steps."""


def read_speed(world: World) -> Speed | None:
    """None while no battle is fought, or too little of it to compare with. Raises DatabaseError."""
    battle = selectors.latest_battle()
    if battle is None or battle.state != Battle.State.TRAINING:
        return None
    path = steps.path_of(world, battle.battle_id)
    count = steps.count(path)
    seconds = steps.read(path, max(0, count - _MOST_STEPS), count)["step_seconds"].astype(np.float64)
    seconds = seconds[seconds > 0]
    if len(seconds) < _LEAST_STEPS:
        return None
    return Speed(now=float(1 / np.median(seconds[-_RECENT:])), usual=float(1 / np.median(seconds)))
