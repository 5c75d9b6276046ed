"""Old checkpoints make room for new ones, so that a realm left alone for a week does not fill the disk."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from realm import durable, sidecar
from realm.durable import TEMP_PREFIX
from realm.world import World
from vault import selectors
from vault.models import Checkpoint

log = logging.getLogger(__name__)


def prune(world: World, hero: str, *, keep: int) -> list[str]:
    """Delete all but the newest `keep` checkpoints of `hero` and the best by each loss; returns their names.

    What the trainer could resume from is never touched: `keep` is at least 2, and folders without a sidecar are
    left for a person to look at.
    """
    if keep < 2:
        raise ValueError(f"keep {keep} is too small: the newest and the one it falls back to are needed")
    folders = sidecar.checkpoint_folders(world.heroes / hero)
    best = {found.name for metric in selectors.METRICS if (found := selectors.best_checkpoint(world, hero, metric))}
    listed = set(Checkpoint.objects.filter(hero=hero).values_list("name", flat=True))
    doomed = [folder for folder in folders[keep:] if folder.name not in best and folder.name in listed]
    for folder in doomed:
        _delete(folder)
        Checkpoint.objects.filter(hero=hero, name=folder.name).delete()
    return [folder.name for folder in doomed]


def _delete(folder: Path) -> None:
    """Renamed first, so that a kill half-way leaves no half checkpoint under its name; the sweep takes the rest."""
    doomed = folder.with_name(f"{TEMP_PREFIX}doomed-{folder.name}")
    os.rename(folder, doomed)
    durable.sync_folder(folder.parent)
    shutil.rmtree(doomed)
    log.info("made room: %s", folder.name)
