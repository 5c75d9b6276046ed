"""Where a named checkpoint lies."""

from __future__ import annotations

from pathlib import Path

from realm import strict
from realm.checkpoints.names import step_of
from realm.config import is_hero_name
from realm.world import World
from vault.errors import NotFound


def folder_of(world: World, hero: str, name: str) -> Path:
    """The folder of a checkpoint by its canonical name, listed or not. Raises NotFound where none lies there."""
    if is_hero_name(hero) and step_of(name) is not None and name.isascii():
        folder = world.heroes / hero / name
        if folder.is_dir():
            return folder
    raise NotFound(f"{strict.shown(hero)} has no checkpoint {strict.shown(name)}")
