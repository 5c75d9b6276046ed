"""When room is made where the daemon does not: among heroes that do not fight now, and of everybody while it is off.

The daemon makes room among the fighting hero's checkpoints itself, after each save. The treasury decides what goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arena import status as arena_status
from realm.config import RealmConfig
from realm.world import World
from vault.copies import fetched
from vault.models import Checkpoint
from vault.treasury import safety, shelf
from vault.treasury.shelf import Fate


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    deleted: tuple[str, ...]
    """As `hero/name`; they lie in the trash while that has room."""
    thinned: tuple[str, ...]
    """As `hero/name`; they keep their weights alone."""
    leftovers: tuple[str, ...]
    """Temp folders of writers that were killed, and what was fetched aside and not used for long."""
    left_to_daemon: str
    """The hero that the daemon cares for; empty while none lives."""


def clean_up(world: World, config: RealmConfig, *, dry_run: bool = False, by: str = "command line") -> Cleaned:
    """Obey the treasury's rules, save for what a host has loaded and what waits to be evaluated.

    Raises Refused where a host lives but does not say what it has loaded; nothing is deleted then.
    """
    left_to_daemon = config.hero if arena_status.daemon_alive(world) else ""
    loaded = safety.loaded_by_hosts(world, config)
    heroes = sorted(set(Checkpoint.objects.values_list("hero", flat=True)) - {left_to_daemon})
    deleted, thinned = [], []
    for hero in heroes:
        gone, thin = _obey(world, config, hero, loaded, dry_run=dry_run, by=by)
        deleted += [f"{hero}/{name}" for name in gone]
        thinned += [f"{hero}/{name}" for name in thin]
    leftovers = [f"{hero}/{name}" for hero in heroes if not dry_run for name in shelf.sweep(world, hero)]
    leftovers += [] if dry_run else fetched.sweep(world, base_model=config.base_model or "")
    return Cleaned(
        deleted=tuple(deleted), thinned=tuple(thinned), leftovers=tuple(leftovers), left_to_daemon=left_to_daemon
    )


def _obey(
    world: World, config: RealmConfig, hero: str, loaded: set[str], *, dry_run: bool, by: str
) -> tuple[Sequence[str], Sequence[str]]:
    """Names of what goes and of what is thinned, or would be."""
    if dry_run:
        planned = shelf.plan(world, config, hero, loaded=loaded)
        return planned.named(Fate.GOES), planned.named(Fate.THINNED)
    applied = shelf.apply(world, config, hero, by=by, loaded=loaded)
    return applied.deleted, applied.thinned
