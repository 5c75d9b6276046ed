"""`queue/order.json`: how the player arranged the lanes. Rows are made anew from it when a database is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence

from realm.disk import durable
from realm.world import World

FILE = "order.json"
Lanes = dict[str, tuple[str, ...]]
"""File names by priority, the first to be fought first. Names whose files have left a lane mean nothing."""


def read(world: World) -> Lanes:
    """Nothing arranged where the file is absent or damaged: then quests come in the order of their arrival."""
    try:
        value = json.loads((world.queue / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    lanes = value if isinstance(value, dict) else {}
    return {str(lane): tuple(map(str, names)) for lane, names in lanes.items() if isinstance(names, list)}


def write_lane(world: World, priority: str, names: Sequence[str]) -> None:
    durable.write_json(world.queue / FILE, read(world) | {priority: list(names)})


def position_of(lanes: Lanes, priority: str, name: str) -> int | None:
    """Counted from 1; None for a file that was never arranged."""
    lane = lanes.get(priority, ())
    return lane.index(name) + 1 if name in lane else None
