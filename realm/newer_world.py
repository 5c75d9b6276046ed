"""A world that a newer release has played is refused in words before anything of it is changed."""

from __future__ import annotations

from contextlib import suppress

from django.db import DatabaseError

from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint, NewerCheckpoint
from realm.databases import database
from realm.world import World

NEWEST = 3
"""Checkpoints of each hero that are looked at: what a newer release saved lies on top."""
WHAT_TO_DO = "start it with that release, or restore a snapshot of before with this one; nothing was changed"


class NewerWorld(Exception):
    """One sentence for the player, with what to do."""


def check(world: World) -> None:
    """Raises NewerWorld; a database or a sidecar that cannot be read at all is somebody else's matter."""
    if why := _why(world):
        raise NewerWorld(f"{world.home} was played by a newer release ({why}): {WHAT_TO_DO}")


def _why(world: World) -> str:
    if not database.is_a_file_of(world) or world.database.exists():
        with suppress(DatabaseError):
            if newer := database.newer_migrations():
                return f"its database has {newer[0]}"
    heroes = [path for path in world.heroes.iterdir() if path.is_dir()] if world.heroes.is_dir() else []
    for folder in (folder for hero in heroes for folder in checkpoint_folders(hero)[:NEWEST]):
        try:
            sidecar.read(folder)
        except NewerCheckpoint as error:
            return str(error)
        except (DamagedCheckpoint, OSError):
            continue
    return ""
