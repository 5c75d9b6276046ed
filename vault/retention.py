"""Old checkpoints make room for new ones, so that a realm left alone for a week does not fill the disk."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from guild.champion import crown
from realm.branch_rows import branches_of
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.disk import durable
from realm.disk.durable import TEMP_PREFIX
from realm.hosts import read_hosts
from realm.oracle import served
from realm.oracle.errors import HostDown
from realm.strict import BadConfig
from realm.world import World
from vault import selectors
from vault.models import Checkpoint

log = logging.getLogger(__name__)


BEST_BY = ("train_loss", "val_loss")
FEWEST = 2
"""The newest and the one that the trainer falls back to."""
LEFTOVER_SECONDS = 24 * 3600.0
"""What a killed writer left under a temp name is deleted when it is older; a slow save is not that slow."""


def make_room(
    world: World, config: RealmConfig, hero: str, *, spared: Collection[str] = (), dry_run: bool = False
) -> list[str]:
    """`prune` as the settings have it; what an oracle of this world holds is spared, too."""
    return prune(
        world,
        hero,
        keep=config.keep_checkpoints,
        budget_bytes=int(config.checkpoint_budget_gb * 1e9),
        spared={*spared, *served.held(world, hero)},
        dry_run=dry_run,
    )


def prune(
    world: World,
    hero: str,
    *,
    keep: int,
    budget_bytes: int | None = None,
    spared: Collection[str] = (),
    dry_run: bool = False,
) -> list[str]:
    """Delete all but the newest `keep` checkpoints of `hero`, then the oldest until the rest fits `budget_bytes`.

    Returns the names of what was deleted, or would be with `dry_run`. The two newest of the active branch, the newest
    of each other one, of each the champion and the best by each loss, where branches begin, what is `spared` by its
    name and what an adapter sits on stay even if they alone are over the budget. Only listed checkpoints with a sidecar
    are counted or deleted: the rest is left for a person to look at.
    """
    if keep < FEWEST:
        raise ValueError(f"keep {keep} is too small: the newest and the one it falls back to are needed")
    rows = selectors.list_checkpoints(world, hero)
    safe = _best(world, hero) | _needed_by_branches(world, hero) | _under_adapters(world.heroes / hero) | set(spared)
    doomed = [row for row in rows[keep:] if row.name not in safe]
    if budget_bytes is not None:
        doomed += _beyond(budget_bytes, [row for row in rows if row not in doomed], safe)
    for row in doomed if not dry_run else ():
        _delete(world.heroes / hero / row.name)
        row.delete()
    return [row.name for row in doomed]


def _best(world: World, hero: str) -> set[str]:
    """The champion and the best by each loss, of what each branch has come from."""
    asked = itertools.product(branches_of(hero).names, BEST_BY)
    found = (selectors.best_checkpoint(world, hero, metric, branch=name) for name, metric in asked)
    return {row.name for row in found if row} | crown.crowned(world, hero)


def _needed_by_branches(world: World, hero: str) -> set[str]:
    """Of the active branch the newest ones; of every other one what it takes to go back to it."""
    found = branches_of(hero)
    newest = {row.name for row in selectors.list_line(world, hero)[:FEWEST]}
    tips = {row.name for name in found.names for row in selectors.list_line(world, hero, name)[:1]}
    return newest | tips | found.starts


def sweep(world: World, hero: str) -> list[str]:
    """Delete what killed writers left in the hero's folder long ago; their names."""
    folder = world.heroes / hero
    if not folder.is_dir():
        return []
    return [path.name for path in durable.sweep_temps(folder, older_than_seconds=LEFTOVER_SECONDS)]


def loaded_by_hosts(world: World, config: RealmConfig) -> set[str]:
    """Names of the checkpoints that the project's own hosts have loaded; one that is down has none.

    Raises HostTrouble where a host lives but does not say, and BadConfig where one cannot be asked.
    """
    # Slow to import, and the daemon, which makes room without asking, never needs it.
    from realm.oracle.sync_client import OracleClient

    loaded: set[str] = set()
    registry = read_hosts(world, oracle_port=config.oracle_port)
    if registry.broken:  # a host that cannot be asked may have loaded what would be taken away
        raise BadConfig(registry.trouble)
    for host in registry.hosts:
        if host.is_realm:
            try:
                with OracleClient(host) as oracle:
                    loaded |= {model.name for model in oracle.loaded()}
            except HostDown:
                continue
    return loaded


def _under_adapters(hero_folder: Path) -> set[str]:
    """Full checkpoints without which an adapter that lies on the disk, listed or not, is worth nothing."""
    if not hero_folder.is_dir():
        return set()
    found: list[str | None] = []
    for folder in checkpoint_folders(hero_folder):
        with suppress(DamagedCheckpoint):
            found.append(sidecar.read(folder).adapter_base)
    return {name for name in found if name}


def _beyond(budget_bytes: int, rows: list[Checkpoint], safe: set[str]) -> list[Checkpoint]:
    """The oldest of `rows` (newest first) without which the rest is within the budget, or as near as it gets."""
    total = sum(row.size_bytes for row in rows)
    chosen: list[Checkpoint] = []
    for row in reversed(rows):
        if total > budget_bytes and row.name not in safe:
            chosen.append(row)
            total -= row.size_bytes
    return chosen


def _delete(folder: Path) -> None:
    """Renamed first, so that a kill half-way leaves no half checkpoint under its name; the sweep takes the rest."""
    doomed = folder.with_name(f"{TEMP_PREFIX}doomed-{folder.name}")
    try:
        os.rename(folder, doomed)
    except FileNotFoundError:
        return  # set aside by a trainer that went back, since it was listed
    durable.sync_folder(folder.parent)
    shutil.rmtree(doomed)
    log.info("made room: %s", folder.name)
