"""A checkpoint that lies on disk is listed."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from vault import index
from vault.errors import Refused
from vault.ledger.entries import LedgerEntry
from vault.ledger.local import active_hero, entry_of


def record_checkpoint(checkpoint: str | Path, *, hero: str | None = None) -> LedgerEntry:
    """The entry of the checkpoint of that name, or of that folder in its hero's folder, after it was listed.

    Names and sizes are compared with its sidecar, which holds the numbers. Raises DamagedCheckpoint where it is not
    whole, and Refused for a folder that is not one of this world's.
    """
    world, path = settings.WORLD, Path(checkpoint)
    if path.name != str(checkpoint) and path.resolve().parent.parent != world.heroes.resolve():
        raise Refused(f"{path} does not lie in a hero's folder of this world")
    owner = hero or (path.resolve().parent.name if path.name != str(checkpoint) else active_hero(world))
    return entry_of(world, index.index_checkpoint(world, owner, path.name))
