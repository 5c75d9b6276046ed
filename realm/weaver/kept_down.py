"""Which services are not to be started again by themselves: the player stopped them, or they died too often.

A supervisord that is killed forgets it, so it stands in `control/kept_down.json`.
"""

from __future__ import annotations

from pathlib import Path

from realm.disk import durable, mailbox
from realm.world import World

FILE = "kept_down.json"
PLAYER, GAVE_UP = "player", "gave_up"


def read(world: World) -> dict[str, str]:
    """Why, by service: PLAYER or GAVE_UP."""
    try:
        value = mailbox.read_json(_path(world))
    except (OSError, mailbox.Damaged):
        return {}
    return {name: why for name, why in value.items() if isinstance(why, str)} if isinstance(value, dict) else {}


def keep(world: World, service: str, why: str) -> None:
    """Raises OSError."""
    durable.write_json(_path(world), read(world) | {service: why}, sync=False)


def forget(world: World, service: str | None = None) -> None:
    """That one, or all. Raises OSError."""
    known = read(world)
    left = {name: why for name, why in known.items() if service not in (None, name)}
    if left != known:
        durable.write_json(_path(world), left, sync=False)


def _path(world: World) -> Path:
    return world.control / FILE
