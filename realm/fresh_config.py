"""The settings file that a fresh world begins with: what a player changes, commented out, with its default."""

from __future__ import annotations

import shutil

from realm.config import config_file
from realm.world import CHECKOUT, World

TEMPLATE = CHECKOUT / "configs" / "world.yaml"


def write(world: World) -> bool:
    """Whether one was made; a world that was started before, or has settings, keeps what it has."""
    path = config_file(world)
    if world.database.exists() or path.exists():
        return False
    shutil.copyfile(TEMPLATE, path)
    return True
