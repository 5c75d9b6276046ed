"""Makes room where the daemon does not: among heroes that do not fight now, and of everybody while no daemon lives.

The daemon makes room among the fighting hero's checkpoints itself, after each save.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from arena import status as arena_status
from guild.models import EvaluationTask
from realm.config import RealmConfig
from realm.disk import durable
from realm.hosts import read_hosts
from realm.oracle.served import held
from realm.oracle.sync_client import HostDown, OracleClient
from realm.strict import BadConfig
from realm.world import World
from vault import retention
from vault.models import Checkpoint

LEFTOVER_SECONDS = 24 * 3600.0
"""What a killed writer left under a temp name is deleted when it is older; a slow save is not that slow."""


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
    served = _served(world, config)
    heroes = sorted(set(Checkpoint.objects.values_list("hero", flat=True)) - {left_to_daemon})
    deleted = [
        f"{hero}/{name}"
        for hero in heroes
        for name in _prune(world, config, hero, served | held(world, hero) | _queued(hero), dry_run)
    ]
    leftovers = [] if dry_run else [name for hero in heroes for name in _sweep(world, hero)]
    return Cleaned(deleted=tuple(deleted), leftovers=tuple(leftovers), left_to_daemon=left_to_daemon)


def _prune(world: World, config: RealmConfig, hero: str, spared: Collection[str], dry_run: bool) -> list[str]:
    return retention.prune(
        world,
        hero,
        keep=config.keep_checkpoints,
        budget_bytes=int(config.checkpoint_budget_gb * 1e9),
        spared=spared,
        dry_run=dry_run,
    )


def _sweep(world: World, hero: str) -> list[str]:
    folder = world.heroes / hero
    if not folder.is_dir():
        return []
    return [f"{hero}/{path.name}" for path in durable.sweep_temps(folder, older_than_seconds=LEFTOVER_SECONDS)]


def _served(world: World, config: RealmConfig) -> set[str]:
    """Names of the checkpoints that the project's own hosts have loaded; one that is down has none."""
    served: set[str] = set()
    registry = read_hosts(world, oracle_port=config.oracle_port)
    if registry.broken:  # a host that cannot be asked may have loaded what would be taken away
        raise BadConfig(registry.trouble)
    for host in registry.hosts:
        if host.is_realm:
            try:
                with OracleClient(host) as oracle:
                    served |= {model.name for model in oracle.loaded()}
            except HostDown:
                continue
    return served


def _queued(hero: str) -> set[str]:
    unfinished = (EvaluationTask.State.WAITING, EvaluationTask.State.ANSWERING)
    return set(EvaluationTask.objects.filter(hero=hero, state__in=unfinished).values_list("checkpoint", flat=True))
