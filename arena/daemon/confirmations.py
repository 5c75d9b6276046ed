"""What the player was asked and has answered with yes: `control/confirmed.json`, so that it is asked once."""

from __future__ import annotations

import json

from realm.disk import durable
from realm.world import World

FILE = "confirmed.json"
MOST = 100


def has(world: World, question: str) -> bool:
    return question in _read(world)


def add(world: World, question: str) -> None:
    durable.write_json(world.control / FILE, [*(one for one in _read(world) if one != question), question][-MOST:])


def _read(world: World) -> list[str]:
    """What cannot be read was never answered: it is asked again."""
    try:
        found = json.loads((world.control / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
