"""When room is made where the daemon does not: among heroes that do not fight now, and of everybody while it is off.

The daemon makes room among the fighting hero's checkpoints itself, after each save. What goes, the vault decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from arena import status as arena_status
from guild.models import EvaluationTask
from realm.config import RealmConfig
from realm.world import World
from vault import retention
from vault.models import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    deleted: tuple[str, ...]
    """As `hero/name`."""
    leftovers: tuple[str, ...]
    """Temp folders of writers that were killed."""
    left_to_daemon: str
    """The hero that the daemon cares for; empty while none lives."""


def clean_up(world: World, config: RealmConfig, *, dry_run: bool = False) -> Cleaned:
    """Delete what must make room, save what a host has loaded and what waits to be evaluated.

    Raises HostTrouble where a host lives but does not say what it has loaded; nothing is deleted then.
    """
    left_to_daemon = config.hero if arena_status.daemon_alive(world) else ""
    loaded = retention.loaded_by_hosts(world, config)
    heroes = sorted(set(Checkpoint.objects.values_list("hero", flat=True)) - {left_to_daemon})
    deleted = [
        f"{hero}/{name}"
        for hero in heroes
        for name in retention.make_room(world, config, hero, spared=loaded | _queued(hero), dry_run=dry_run)
    ]
    leftovers = [f"{hero}/{name}" for hero in heroes if not dry_run for name in retention.sweep(world, hero)]
    return Cleaned(deleted=tuple(deleted), leftovers=tuple(leftovers), left_to_daemon=left_to_daemon)


def _queued(hero: str) -> set[str]:
    unfinished = (EvaluationTask.State.WAITING, EvaluationTask.State.ANSWERING)
    return set(EvaluationTask.objects.filter(hero=hero, state__in=unfinished).values_list("checkpoint", flat=True))
